package web

import (
	"strconv"
	"strings"
	"time"

	"smiley/recording"
	"smiley/store"
)

// filterWord is a word that a person can write in a filter.
type filterWord struct{ Example, About string }

// filterWords are the words of a filter, all of which must hold.
var filterWords = []filterWord{
	{"main.leaf", "functions that the word names, as a pattern of --include does, or whose name holds it"},
	{"function:12", "the function with this number, which its page's address has"},
	{"errors", "returns with an error that is not nil"},
	{"panics", "panics and recoveries"},
	{"output", "what the program wrote"},
	{"over:1ms", "returns of calls that took at least so long"},
	{"depth:3", "events at most so deep, 0 being a goroutine's outermost calls"},
}

// filter chooses events. A person writes it as [filterWords].
type filter struct {
	text      string
	functions map[recording.FunctionID]bool // nil: all
	kinds     map[recording.Kind]bool       // nil: all
	errors    bool
	over      int64                       // 0: any
	depth     int                         // −1: any
	only      func(*recording.Event) bool // nil: all
}

const filterHint = `words such as: main.leaf errors panics output over:1ms depth:3`

// parseFilter understands a filter for a run.
func parseFilter(text string, n *names) (*filter, error) {
	f := &filter{text: text, depth: -1}
	if len(text) > 1000 {
		return nil, recording.Errorf(recording.CodeInvalid, "the filter is too long").WithHint(filterHint)
	}
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, ":")
		var err error
		switch {
		case word == "errors":
			f.errors = true
		case word == "panics":
			f.allow(recording.KindPanic, recording.KindRecovered)
		case word == "output":
			f.allow(recording.KindOutput)
		case key == "function":
			err = f.addFunction(value, n)
		case key == "over":
			f.over, err = parseOver(value)
		case key == "depth":
			if f.depth, err = strconv.Atoi(value); err == nil && f.depth < 0 {
				err = strconv.ErrRange
			}
		default:
			if !f.addFunctions(word, n) {
				return nil, recording.Errorf(recording.CodeInvalid, "no function of this run is named %s", shorten(word, 80)).
					WithHint("a filter is " + filterHint)
			}
		}
		if err != nil {
			return nil, recording.Errorf(recording.CodeInvalid, "the filter word %s cannot be understood", shorten(word, 80)).
				WithHint("a filter is " + filterHint)
		}
	}
	return f, nil
}

func parseOver(text string) (int64, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = strconv.ErrRange
	}
	return int64(d), err
}

func (f *filter) allow(kinds ...recording.Kind) {
	if f.kinds == nil {
		f.kinds = map[recording.Kind]bool{}
	}
	for _, k := range kinds {
		f.kinds[k] = true
	}
}

// addFunctions narrows the filter to the functions that a word names; false when there are none.
func (f *filter) addFunctions(word string, n *names) bool {
	pattern, err := recording.ParsePattern(word)
	lower := strings.ToLower(word)
	found := map[recording.FunctionID]bool{}
	for i := range n.functions {
		fn := &n.functions[i]
		named := err == nil && pattern.Match(fn.Package, fn.Name) || strings.Contains(strings.ToLower(fn.Name), lower)
		if named && (f.functions == nil || f.functions[fn.ID]) {
			found[fn.ID] = true
		}
	}
	f.functions = found
	return len(found) > 0
}

// addFunction narrows the filter to one function.
func (f *filter) addFunction(text string, n *names) error {
	id, err := strconv.ParseUint(text, 10, 32)
	if err == nil && n.function(recording.FunctionID(id)) == nil {
		err = strconv.ErrRange
	}
	found := map[recording.FunctionID]bool{}
	if f.functions == nil || f.functions[recording.FunctionID(id)] {
		found[recording.FunctionID(id)] = true
	}
	f.functions = found
	return err
}

// functionWord is the word that chooses a function: its name, unless that has other things in it than names usually do or
// stands for more.
func (n *names) functionWord(f *recording.Function) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-/()*", r)
	}
	numbered := "function:" + strconv.FormatUint(uint64(f.ID), 10)
	if strings.ContainsFunc(f.Name, func(r rune) bool { return !plain(r) }) || !strings.Contains(f.Name, ".") || len(f.Name) > 200 {
		return numbered
	}
	const few = 300 // functions among which looking for others of the same name takes no time
	var of filter
	if len(n.functions) > few || !of.addFunctions(f.Name, n) || len(of.functions) != 1 {
		return numbered
	}
	return f.Name
}

// all reports whether the filter chooses every event.
func (f *filter) all() bool {
	return f.functions == nil && f.kinds == nil && !f.errors && f.over == 0 && f.depth < 0 && f.only == nil
}

// onlyReturns reports whether the filter chooses nothing but returns.
func (f *filter) onlyReturns() bool { return f.errors || f.over > 0 }

// matchCall reports whether the filter chooses a call, as far as it is about calls: output alone chooses none.
func (f *filter) matchCall(c *recording.Call) bool {
	known := c.Outcome != recording.OutcomeOpen && c.Outcome != recording.OutcomeLost
	switch {
	case f.functions != nil && !f.functions[c.Function],
		f.kinds != nil && !(f.kinds[recording.KindPanic] && c.Outcome == recording.OutcomePanicked),
		f.errors && !c.Failed,
		f.over > 0 && !(known && c.End-c.Start >= f.over),
		f.depth >= 0 && c.Depth > f.depth:
		return false
	}
	return true
}

// matchMoment reports whether the filter chooses something that happened in a call or in none: what is asked for of a call it
// cannot be.
func (f *filter) matchMoment(kind recording.Kind) bool {
	if f.functions != nil || f.errors || f.over > 0 {
		return false
	}
	return f.kinds == nil || f.kinds[kind]
}

// query is what the filter leaves to the store, which passes over blocks that hold nothing of it; matchRest is the rest.
func (f *filter) query() store.EventQuery {
	return store.EventQuery{Functions: f.functions, Kinds: f.kinds, Failed: f.errors, Over: f.over}
}

// matchRest reports whether the filter chooses an event that its query does.
func (f *filter) matchRest(e *recording.Event) bool {
	return (f.depth < 0 || e.Depth <= f.depth) && (f.only == nil || f.only(e))
}
