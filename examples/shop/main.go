// Shop charges some customers, and one of them too little. The tutorial in docs/tutorial finds out why from a recording:
// the program prints nothing that says it, and the error happened long before the total came out wrong.
package main

import (
	"fmt"
	"os"
)

// catalogue is what a person typed into a spreadsheet.
var catalogue = map[string]string{
	"apple":  "0.45",
	"bread":  "3.20",
	"cheese": "12.05",
	"honey":  "7.5",
	"milk":   "1.15",
	"tea":    "4",
}

type order struct {
	customer string
	percent  int
	wants    []want
}

type want struct {
	article  string
	quantity int
}

var orders = []order{
	{customer: "Ada", wants: []want{{"apple", 6}, {"bread", 1}}},
	{customer: "Grace", percent: 10, wants: []want{{"cheese", 1}, {"tea", 2}}},
	{customer: "Edsger", wants: []want{{"milk", 2}, {"honey", 1}, {"bread", 1}}},
	{customer: "Barbara", wants: []want{{"pickle", 1}}},
	{customer: "Tony", percent: 5, wants: []want{{"milk", 12}, {"apple", 10}}},
}

func main() {
	unhappy := 0
	for _, o := range orders {
		if err := serve(o); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", o.customer, err)
			unhappy++
		}
	}
	fmt.Printf("%d customers, %d went away with nothing\n", len(orders), unhappy)
}

// serve fills a cart with what the order wants and charges it.
func serve(o order) error {
	cart := &Cart{Customer: o.customer, Percent: o.percent}
	for _, w := range o.wants {
		if err := cart.Add(w.article, w.quantity); err != nil {
			fmt.Printf("%s: not served: %v\n", o.customer, err)
		}
	}
	total, err := cart.Checkout()
	if err != nil {
		return err
	}
	fmt.Printf("%s pays %s\n", o.customer, total)
	return nil
}
