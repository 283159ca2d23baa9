// Package price holds amounts of money.
package price

import (
	"fmt"
	"strconv"
	"strings"
)

// Cents is an amount of money in hundredths.
type Cents int64

// String writes an amount as a person would: "12.05".
func (c Cents) String() string {
	return fmt.Sprintf("%d.%02d", int64(c)/100, int64(c)%100)
}

// Parse reads an amount as a person writes it: "12", "12.05", "0.5".
func Parse(text string) (Cents, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	cents, err := digits(whole)
	if err != nil {
		return 0, fmt.Errorf("price %q: %w", text, err)
	}
	cents *= 100
	if fraction != "" {
		hundredths, err := digits(fraction)
		if err != nil {
			return 0, fmt.Errorf("price %q: %w", text, err)
		}
		cents += hundredths
	}
	return Cents(cents), nil
}

func digits(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", text)
	}
	return n, nil
}
