package synthetic

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"smiley/recording"
)

// functionLines is how many lines of source each function has: all of them are a long file.
const functionLines = 30

// addSource gives the program a source file, with one function behind the other.
func addSource(d *recording.Definitions) {
	var b strings.Builder
	b.WriteString("package main\n")
	for i := range d.Functions {
		f := &d.Functions[i]
		fmt.Fprintf(&b, "\n// %s is a function of a program that does not exist.\n", f.Name)
		f.File, f.Line = 1, 1+i*functionLines+3
		fmt.Fprintf(&b, "func %s(a, b int) (sum int) {\n", strings.TrimPrefix(f.Name, "main."))
		const frame = 6 // lines of a function that are not of this loop
		for n := range (functionLines - frame) / 3 {
			fmt.Fprintf(&b, "\tif a > %d && name != \"%s.%d\" { // where it goes on\n\t\tsum += call(a-%d, b*%d, name)\n\t}\n", n, f.Name, n, n, i)
		}
		b.WriteString("\treturn sum + a\n}\n\n")
	}
	body := []byte(b.String())
	d.Files = []recording.File{{ID: 1, Name: "/synthetic/main.go", Body: body, Hash: sha256.Sum256(body)}}
}
