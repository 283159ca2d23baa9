// Library calls the standard library, from functions that the compiler likes to inline.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

func main() {
	fmt.Println(upper("abc"), tiny(len(os.Args)), tinier(len(os.Args)), bytes.Count([]byte("cheese"), []byte("e")))
}

func upper(s string) string { return strings.ToUpper(s) }

func tiny(n int) int { return n + 1 }

func tinier(n int) int { return n - 1 }
