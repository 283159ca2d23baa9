package analysis

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"smiley/recording"
)

// Statistics sums up the calls of one function: one line of the JSON contract. Times are in ns and belong to the calls that
// ended; they are nil when none did.
type Statistics struct {
	// ID tells instances of a generic function apart, which share their name; 0: unknown.
	ID       recording.FunctionID `json:"-"`
	Function string               `json:"function"`
	Package  string               `json:"package"`
	Calls    uint64               `json:"calls"`
	Ended    uint64               `json:"ended"`  // calls whose duration is known
	Errors   uint64               `json:"errors"` // returns with an error result that is not nil
	Panics   uint64               `json:"panics"` // calls that a panic unwound
	Total    int64                `json:"total_ns"`
	Self     int64                `json:"self_ns"` // total less the recorded callees
	Min      *int64               `json:"min_ns"`
	P50      *int64               `json:"p50_ns"`
	P95      *int64               `json:"p95_ns"`
	P99      *int64               `json:"p99_ns"`
	Max      *int64               `json:"max_ns"`
}

// orders are the columns by which statistics are ordered: numbers falling, names rising.
var orders = []struct {
	name    string
	compare func(a, b *Statistics) int
}{
	{"self", func(a, b *Statistics) int { return cmp.Compare(b.Self, a.Self) }},
	{"total", func(a, b *Statistics) int { return cmp.Compare(b.Total, a.Total) }},
	{"calls", func(a, b *Statistics) int { return cmp.Compare(b.Calls, a.Calls) }},
	{"errors", func(a, b *Statistics) int { return cmp.Compare(b.Errors, a.Errors) }},
	{"panics", func(a, b *Statistics) int { return cmp.Compare(b.Panics, a.Panics) }},
	{"min", func(a, b *Statistics) int { return compareKnown(b.Min, a.Min) }},
	{"p50", func(a, b *Statistics) int { return compareKnown(b.P50, a.P50) }},
	{"p95", func(a, b *Statistics) int { return compareKnown(b.P95, a.P95) }},
	{"p99", func(a, b *Statistics) int { return compareKnown(b.P99, a.P99) }},
	{"max", func(a, b *Statistics) int { return compareKnown(b.Max, a.Max) }},
	{"function", func(a, b *Statistics) int { return cmp.Compare(a.Function, b.Function) }},
	{"package", func(a, b *Statistics) int { return cmp.Compare(a.Package, b.Package) }},
}

// compareKnown orders an unknown number below all known ones.
func compareKnown(a, b *int64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Compare(*a, *b)
}

// StatisticsOrders returns the names of the columns that statistics can be ordered by.
func StatisticsOrders() []string {
	names := make([]string, len(orders))
	for i := range orders {
		names[i] = orders[i].name
	}
	return names
}

// Statistics returns the statistics of every function that was called, ordered by a column: numbers with the greatest
// first, names alphabetically, equals by function. Errors: CodeInvalid for an unknown column.
func (r *Run) Statistics(ctx context.Context, order string) ([]Statistics, error) {
	at := slices.Index(StatisticsOrders(), strings.TrimSuffix(order, "_ns"))
	if at < 0 {
		return nil, recording.Errorf(recording.CodeInvalid, "statistics cannot be ordered by %q", order).
			WithHint("order by one of: %s", strings.Join(StatisticsOrders(), ", "))
	}
	stored, err := r.reader.FunctionStats(ctx, r.info.ID)
	if err != nil {
		return nil, err
	}
	functions, err := r.Functions(ctx)
	if err != nil {
		return nil, err
	}
	names := tables{functions: functions}
	rows := make([]Statistics, 0, len(stored))
	for i := range stored {
		f, _ := names.function(stored[i].Function)
		rows = append(rows, StatisticsOf(f, &stored[i]))
	}
	slices.SortFunc(rows, func(a, b Statistics) int {
		return cmp.Or(orders[at].compare(&a, &b), cmp.Compare(a.Function, b.Function))
	})
	return rows, nil
}

// StatisticsOf returns the statistics of one function, of which d is what its calls come to; nil: nothing is known of it.
func StatisticsOf(f *recording.Function, d *recording.FunctionDelta) Statistics {
	s := Statistics{ID: d.Function, Calls: d.Calls, Ended: d.Ended, Errors: d.Errors, Panics: d.Panics, Total: d.Total, Self: d.Self}
	if f != nil {
		s.Function, s.Package = f.Name, f.Package
	}
	if d.Duration.Count > 0 {
		quantile := func(q float64) *int64 { ns := d.Duration.Quantile(q); return &ns }
		s.Min, s.P50, s.P95, s.P99, s.Max = &d.Duration.Min, quantile(0.5), quantile(0.95), quantile(0.99), &d.Duration.Max
	}
	return s
}
