package main

import (
	"errors"
	"fmt"

	"smiley/examples/shop/price"
)

// ErrEmpty is what checking out without buying anything ends in.
var ErrEmpty = errors.New("the cart is empty")

// Item is a line of a cart.
type Item struct {
	Article  string
	Quantity int
	Price    price.Cents
}

// Cart is what a customer is about to buy.
type Cart struct {
	Customer string
	Items    []Item
	Percent  int // discount
}

// Add puts an article into the cart at its price in the catalogue.
func (c *Cart) Add(article string, quantity int) error {
	text, ok := catalogue[article]
	if !ok {
		return fmt.Errorf("no article %q", article)
	}
	cents, err := price.Parse(text)
	if err != nil {
		return err
	}
	c.Items = append(c.Items, Item{Article: article, Quantity: quantity, Price: cents})
	return nil
}

// Total is what the customer has to pay.
func (c *Cart) Total() price.Cents {
	var sum price.Cents
	for _, item := range c.Items {
		sum += lineTotal(item)
	}
	return discount(sum, c.Percent)
}

// Checkout returns the amount to charge, and empties the cart.
func (c *Cart) Checkout() (price.Cents, error) {
	if len(c.Items) == 0 {
		return 0, ErrEmpty
	}
	total := c.Total()
	c.Items = nil
	return total, nil
}

func lineTotal(item Item) price.Cents {
	return item.Price * price.Cents(item.Quantity)
}

func discount(sum price.Cents, percent int) price.Cents {
	return sum - sum*price.Cents(percent)/100
}
