package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// nearestFlag returns the flag of a command whose name is like a given one, "" when none is.
func nearestFlag(command *cobra.Command, name string) string {
	name = strings.ToLower(strings.TrimLeft(name, "-"))
	best, least := "", len(name)/3+2 // as many slips as a person makes
	command.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || len(name) < 2 {
			return
		}
		d := distance(name, f.Name)
		if strings.HasPrefix(f.Name, name) || strings.HasPrefix(name, f.Name) {
			d = min(d, 1)
		}
		if d < least {
			best, least = f.Name, d
		}
	})
	return best
}

// nearest keeps of names those that are most like a given one.
func nearest(names []string, name string) []string {
	var kept []string
	least := 0
	for _, n := range names {
		d := distance(name, n)
		if len(kept) == 0 || d < least {
			kept, least = kept[:0], d
		}
		if d == least {
			kept = append(kept, n)
		}
	}
	return kept
}

// distance is how many letters must be added, taken away, exchanged or replaced to make b of a.
func distance(a, b string) int {
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		two, one, row = one, row, two
		row[0] = i
		for j := 1; j <= len(b); j++ {
			d := one[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			d = min(d, one[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, two[j-2]+1)
			}
			row[j] = d
		}
	}
	return row[len(b)]
}
