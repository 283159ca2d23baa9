// Command alike calls functions with values that look like those of one of the calls before, and with some that do not.
package main

import (
	"errors"
	"fmt"
	"strings"
)

type item struct {
	Name  string
	Count int
	Price float64
}

type order struct {
	Customer string
	Items    []item
	Notes    map[string]string
	Next     *order
	Paid     bool
}

type priced interface{ Total() float64 }

func (i item) Total() float64   { return float64(i.Count) * i.Price }
func (o *order) Total() float64 { return sum(o.Items) }

//go:noinline
func sum(items []item) (total float64) {
	for i := range items {
		total += items[i].Total()
	}
	return total
}

//go:noinline
func price(p priced) float64 { return p.Total() }

//go:noinline
func find(orders []*order, name string) (*order, error) {
	for _, o := range orders {
		if o != nil && o.Customer == name {
			return o, nil
		}
	}
	return nil, fmt.Errorf("finding %q: %w", name, errors.New("nobody"))
}

//go:noinline
func twice(a, b *order) bool { return a == b }

//go:noinline
func anything(v any) string { return strings.ToUpper(fmt.Sprint(v))[:1] }

//go:noinline
func apply(f func(int) int, n int) int { return f(n) }

//go:noinline
func join(parts ...string) string { return strings.Join(parts, "-") }

//go:noinline
func text(b []byte, s string, ch chan int) (int, string) { return len(b) + cap(ch), s[:len(s)/2] }

func double(n int) int { return 2 * n }

func main() {
	names := []string{"Ada", "Eve", "Bob", "Grace", ""}
	seen := 0
	for i := range 90 {
		name := names[i%len(names)]
		o := &order{Customer: name, Items: make([]item, i%3, 4)}
		for k := range o.Items {
			o.Items[k] = item{Name: fmt.Sprint("item", i%12), Count: i, Price: float64(i) / 4}
		}
		if i%4 == 0 {
			o.Notes = map[string]string{name: "new"}
		}
		if i%5 < 2 {
			o.Next = &order{Customer: "next", Paid: i%2 == 0}
		}
		seen += int(sum(o.Items))
		seen += int(price([]priced{o, item{Name: name, Count: i}, &item{Count: i}}[i%3]))
		if found, err := find([]*order{o, o.Next}, names[(i/2)%len(names)]); err == nil {
			seen += len(found.Items)
		}
		if twice(o, []*order{o, o.Next, nil}[i%3]) {
			seen++
		}
		seen += len(anything([]any{i, name, nil, o, item{Name: name}, 1.5, errors.New(name), []string{name}, double, true}[i%10]))
		seen += apply([]func(int) int{double, func(n int) int { return n + i }}[i%2], i)
		seen += len(join([]string{name, "x", "yz"}[:1+i%3]...))
		n, _ := text([]byte(name), strings.Repeat("é", i%7), make(chan int, i%3))
		seen += n
	}
	fmt.Println(seen)
}
