// Crowded puts values of many types into interfaces, each once, as the first thing that it does, and has more functions than most programs.
package main

import (
	"encoding/gob"
	"go/importer"
	"html/template"
	"net/http"
	"os"
)

// body is larger than what is copied of a value whose type is not known.
type body struct {
	Numbers [20]int
	Text    string
}

type (
	anything1 struct{ body }
	anything2 struct{ body }
	anything3 struct{ body }
	anything4 struct{ body }
	anything5 struct{ body }
	anything6 struct{ body }
)

type shape interface{ Area() int }

type (
	square struct{ body }
	circle struct{ body }
)

func (s square) Area() int  { return s.Numbers[0] }
func (c *circle) Area() int { return c.Numbers[0] }

type beast interface{ Legs() int }

type (
	ant  struct{ body }
	bird struct{ body }
	cat  struct{ body }
	dog  struct{ body }
)

func (b ant) Legs() int  { return 6 }
func (b bird) Legs() int { return 2 }
func (b cat) Legs() int  { return 4 }
func (b dog) Legs() int  { return 4 }

//go:noinline
func holds(v any) any { return v }

//go:noinline
func measures(s shape) shape { return s }

//go:noinline
func counts(b beast) beast { return b }

func main() {
	b := body{Text: "at the end"}
	holds(anything1{b})
	holds(anything2{b})
	holds(anything3{b})
	holds(anything4{b})
	holds(anything5{b})
	holds(anything6{b})
	counts(ant{b})
	counts(bird{b})
	counts(cat{b})
	counts(dog{b})
	measures(square{b})
	measures(&circle{b})
	if len(os.Args) > 100 { // never: it is only so large that nothing of this is left out
		importer.Default().Import("os")
		template.Must(template.ParseFiles("x")).Execute(os.Stdout, gob.NewDecoder(os.Stdin).Decode(&b))
		http.ListenAndServe("", nil)
	}
}
