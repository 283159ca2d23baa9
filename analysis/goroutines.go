package analysis

import (
	"context"
	"iter"

	"smiley/recording"
	"smiley/store"
)

// Goroutine is what is known of a goroutine: one line of the JSON contract.
type Goroutine struct {
	ID          int64  `json:"id"`
	Parent      int64  `json:"parent_goroutine"` // 0: unknown or none
	CreatedBy   uint64 `json:"created_by"`       // the call that started it; 0: unknown
	CreatedIn   string `json:"created_in"`       // the function with the go statement; "": unknown
	CreatedLine int    `json:"created_line"`
	Function    string `json:"function"` // the one it began with; "": unknown
	Start       int64  `json:"start_ns"` // since the run's start
	End         *int64 `json:"end_ns"`   // nil while its end was not seen
	Calls       uint64 `json:"calls"`
	Events      uint64 `json:"events"`
}

// goroutinesPage is how many goroutines are asked for at a time.
const goroutinesPage = 500

// Goroutines yields the goroutines of a run, by id. The sequence ends after the first error.
func (r *Run) Goroutines(ctx context.Context) iter.Seq2[Goroutine, error] {
	return func(yield func(Goroutine, error) bool) {
		functions, err := r.Functions(ctx)
		if err != nil {
			yield(Goroutine{}, err)
			return
		}
		names := tables{functions: functions}
		var after int64
		for {
			page, err := r.reader.Goroutines(ctx, r.info.ID, after, goroutinesPage)
			if err != nil {
				yield(Goroutine{}, err)
				return
			}
			for i := range page {
				if !yield(names.goroutine(&page[i]), nil) {
					return
				}
				after = page[i].ID
			}
			if len(page) < goroutinesPage {
				return
			}
		}
	}
}

func (t *tables) goroutine(g *store.GoroutineInfo) Goroutine {
	return Goroutine{
		ID: g.ID, Parent: g.Parent, CreatedBy: g.Creator, CreatedIn: t.functionName(g.CreatedIn), CreatedLine: g.CreatedLine,
		Function: t.functionName(g.StartFunction), Start: g.Start, End: knownTime(g.End), Calls: g.Calls, Events: g.Events,
	}
}

// goroutineCache keeps what is known of some goroutines. Goroutines start roughly in the order of their ids, so two pages of
// them answer nearly every question.
type goroutineCache struct {
	pages [2]map[int64]recording.Goroutine
}

func (c *goroutineCache) get(id int64) (recording.Goroutine, bool) {
	for _, page := range c.pages {
		if g, ok := page[id]; ok {
			return g, true
		}
	}
	return recording.Goroutine{}, false
}

// add keeps goroutines that have just begun.
func (c *goroutineCache) add(goroutines []recording.Goroutine) {
	if len(goroutines) == 0 {
		return
	}
	if c.pages[0] == nil || len(c.pages[0]) >= goroutinesPage {
		c.pages[1], c.pages[0] = c.pages[0], make(map[int64]recording.Goroutine, len(goroutines))
	}
	for _, g := range goroutines {
		c.pages[0][g.ID] = g
	}
}

func (c *goroutineCache) load(ctx context.Context, r *Run, id int64) error {
	if _, ok := c.get(id); ok {
		return nil
	}
	found, err := r.reader.Goroutines(ctx, r.info.ID, id-1, goroutinesPage)
	if err != nil {
		return err
	}
	page := make(map[int64]recording.Goroutine, len(found))
	for i := range found {
		page[found[i].ID] = found[i].Goroutine
	}
	c.pages[1], c.pages[0] = c.pages[0], page
	return nil
}
