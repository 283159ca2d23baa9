// Values passes and returns values of every kind, and prints how each is to be shown: a line a call with the function's
// name, its arguments and its results, between tabs. Values are separated by " | ".
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

var out = bufio.NewWriter(os.Stdout)

// want says how the next call of a function is to be shown.
func want(function, args, results string) {
	fmt.Fprintf(out, "main.%s\t%s\t%s\n", function, args, results)
}

// same says it for a function that returns what it gets.
func same(function, value string) { want(function, value, value) }

// number is for work, so that no compiler knows what it does.
var number = 7

// work leaves nothing in the registers as it was.
//
//go:noinline
func work() {
	if number == 0 {
		panic(strings.Repeat("work", number))
	}
	scatter(number, number+1, number+2, number+3, number+4, number+5, number+6, number+7, number+8,
		float64(number), float64(number)/3)
}

//go:noinline
func scatter(a, b, c, d, e, f, g, h, i int, x, y float64) {
	number = (a+b+c+d+e+f+g+h+i+int(x+y))%100 + 1
}

func main() {
	numbers()
	texts()
	lists()
	structs()
	pointers()
	interfaces()
	errorValues()
	functions()
	signatures()
	generics()
	if err := out.Flush(); err != nil {
		panic(err)
	}
}
