// Package table prints what benchmarks measured as Markdown tables, and the figures in them.
package table

import (
	"fmt"
	"strings"
	"time"
)

// Print prints rows of cells below a title; the first row is the head.
func Print(title string, rows ...[]string) {
	fmt.Printf("\n### %s\n\n", title)
	for i, row := range rows {
		fmt.Printf("| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Println("|" + strings.Repeat("---|", len(row)))
		}
	}
}

// MillionsPerSecond is n in d, such as "5.24 M".
func MillionsPerSecond(n int, d time.Duration) string {
	return fmt.Sprintf("%.2f M", float64(n)/d.Seconds()/1e6)
}

// Mebibytes is n bytes, such as "184 MiB".
func Mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// Milliseconds is d, such as "4.35 ms".
func Milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
