// Package part runs a benchmark part by part.
package part

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A Part is one thing that a benchmark measures with its settings.
type Part[S any] struct {
	Name    string
	Measure func(context.Context, S) error
}

// Run runs the parts that only names, separated by commas, in the order of parts; "" names all.
func Run[S any](ctx context.Context, only string, settings S, parts []Part[S]) error {
	chosen := strings.Split(only, ",")
	for _, name := range chosen {
		if only != "" && !slices.ContainsFunc(parts, func(p Part[S]) bool { return p.Name == name }) {
			return fmt.Errorf("no part is called %q", name)
		}
	}
	for _, p := range parts {
		if only != "" && !slices.Contains(chosen, p.Name) {
			continue
		}
		if err := p.Measure(ctx, settings); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}
