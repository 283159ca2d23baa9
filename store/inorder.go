package store

import (
	"context"
	"sync"
)

// decoders is how many blocks are decoded at a time.
const decoders = 2

// inOrder decodes the blocks from ≤ number < to, some at a time, and passes what they come to on one after the other. It
// returns when all its goroutines have ended.
func inOrder[T any](ctx context.Context, from, to uint32, decode func(ctx context.Context, number uint32) (T, error), use func(T) error) error {
	type result struct {
		value T
		err   error
	}
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	queue := make(chan chan result, decoders) // while one is used, so many are decoded
	running.Add(1)
	go func() {
		defer running.Done()
		defer close(queue)
		for number := from; number < to; number++ {
			one := make(chan result, 1)
			select {
			case queue <- one:
			case <-ctx.Done():
				return
			}
			running.Add(1)
			go func() {
				defer running.Done()
				value, err := decode(ctx, number)
				one <- result{value, err}
			}()
		}
	}()
	for one := range queue {
		got := <-one
		if got.err != nil {
			return got.err
		}
		if err := use(got.value); err != nil {
			return err
		}
	}
	return ctx.Err()
}
