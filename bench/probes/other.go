//go:build !(linux && amd64)

// Command probes measures what recording costs a program. That can be measured where programs can be recorded.
package main

import "fmt"

func main() { fmt.Println("probes: not on this platform yet") }
