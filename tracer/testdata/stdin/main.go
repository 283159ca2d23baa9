// Stdin numbers the lines it reads and says whether its descriptors are terminals.
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	for n := 1; scanner.Scan(); n++ {
		line(n, scanner.Text())
	}
	fmt.Println("terminal:", terminal(os.Stdin), terminal(os.Stdout))
}

func line(n int, text string) { fmt.Println(n, text) }

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
