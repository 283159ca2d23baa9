//go:build !cgo || !unix

package main

import "fmt"

func main() { fmt.Println("this benchmark needs cgo, libzmq and a Unix system") }
