// Command held puts a value into an interface.
package main

type point struct{ X, Y, Z int }

//go:noinline
func takes(any) {}

func main() { takes(&point{1, 2, 3}) }
