package analysis

import (
	"context"

	"smiley/recording"
	"smiley/store"
)

// runsPage is how many runs are asked for at a time.
const runsPage = 200

// EachRun calls visit for every run of a store, the newest first, or only for those whose program ended with an error. It
// ends with visit's first error.
func EachRun(ctx context.Context, reader *store.Reader, failed bool, visit func(Summary) error) error {
	var before recording.RunID
	for {
		page, err := reader.Runs(ctx, store.RunsQuery{Failed: failed, Before: before, Limit: runsPage})
		if err != nil {
			return err
		}
		for i := range page {
			if err := visit(Summarize(&page[i])); err != nil {
				return err
			}
		}
		if len(page) < runsPage {
			return nil
		}
		before = page[len(page)-1].ID
	}
}

// shortest is how much of an id is shown at least: the millisecond in which the run began. With less, the next run could
// well make ambiguous what a person has just been shown.
const shortest = len("0193c8f2-7a5e")

// ShortIDs returns for the id of every run in a store its shortest beginning, of 13 characters at least, that no other run
// shares.
func ShortIDs(ctx context.Context, reader *store.Reader) (map[string]string, error) {
	var ids []string
	err := EachRun(ctx, reader, false, func(s Summary) error {
		ids = append(ids, s.ID)
		return nil
	})
	return shorten(ids), err
}

// ShortID returns what of the run's id tells it from the others in its store.
func (r *Run) ShortID(ctx context.Context) (string, error) {
	short, err := ShortIDs(ctx, r.reader)
	return short[r.info.ID.String()], err
}
