package main

import (
	"fmt"
	"math/big"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

type point struct{ X, Y int }

type base struct {
	ID   int
	Name string
}

type embedded struct {
	base
	*point
	Tags []string
}

type mixed struct {
	F float32
	B bool
	S string
	D float64
	I int8
}

type large struct {
	A, B, C, D, E int
	Name          string
	X, Y, Z, W    float64
	Last          [2]bool
}

type matrix [2][2]int

type empty struct{}

type node struct {
	Value int
	Next  *node
}

//go:noinline
func kInts(v []int) []int { work(); return v }

//go:noinline
func kStrings(v []string) []string { work(); return v }

//go:noinline
func kNested(v [][]int) [][]int { work(); return v }

//go:noinline
func kPoints(v []point) []point { work(); return v }

//go:noinline
func kPointers(v []*point) []*point { work(); return v }

//go:noinline
func kEmpties(v []empty) []empty { work(); return v }

//go:noinline
func kArray0(v [0]int) [0]int { work(); return v }

//go:noinline
func kArray1(v [1]string) [1]string { work(); return v }

//go:noinline
func kArray3(v [3]int) [3]int { work(); return v }

//go:noinline
func kArray100(v [100]int16) [100]int16 { work(); return v }

//go:noinline
func kMatrix(v matrix) matrix { work(); return v }

func lists() {
	same("kInts", "[]int{1, -2, 3}")
	kInts([]int{1, -2, 3})
	same("kInts", "[]int{0, 1, 2, 3, 4, 5, 6, 7, …+992}")
	thousand := make([]int, 1000)
	for i := range thousand {
		thousand[i] = i
	}
	kInts(thousand)
	same("kInts", "nil")
	kInts(nil)
	same("kInts", "[]int{}")
	kInts([]int{})
	same("kStrings", `[]string{"a", "", "c"}`)
	kStrings([]string{"a", "", "c"})
	same("kNested", "[][]int{[]int{1}, nil, []int{2, 3}}")
	kNested([][]int{{1}, nil, {2, 3}})
	same("kPoints", "[]main.point{main.point{X: 1, Y: 2}, main.point{X: 3, Y: 4}}")
	kPoints([]point{{1, 2}, {3, 4}})
	same("kPointers", "[]*main.point{&main.point{X: 1, Y: 2}, nil}")
	kPointers([]*point{{1, 2}, nil})
	same("kEmpties", "[]main.empty{main.empty{}, main.empty{}}")
	kEmpties(make([]empty, 2))
	same("kArray0", "[0]int{}")
	kArray0([0]int{})
	same("kArray1", `[1]string{"one"}`)
	kArray1([1]string{"one"})
	same("kArray3", "[3]int{1, 2, 3}")
	kArray3([3]int{1, 2, 3})
	same("kArray100", "[100]int16{5, 0, 0, 0, 0, 0, 0, 0, …+92}")
	kArray100([100]int16{5})
	same("kMatrix", "main.matrix{[2]int{1, 2}, [2]int{3, 4}}")
	kMatrix(matrix{{1, 2}, {3, 4}})
}

//go:noinline
func kPoint(v point) point { work(); return v }

//go:noinline
func kEmbedded(v embedded) embedded { work(); return v }

//go:noinline
func kMixed(v mixed) mixed { work(); return v }

//go:noinline
func kLarge(v large) large { work(); return v }

//go:noinline
func kEmpty(v empty) empty { work(); return v }

//go:noinline
func kAnonymous(v struct {
	A int
	B []bool
}) struct {
	A int
	B []bool
} {
	work()
	return v
}

//go:noinline
func kTime(v time.Time) time.Time { work(); return v }

//go:noinline
func kCounter(v *atomic.Int64) *atomic.Int64 { work(); return v }

//go:noinline
func kMutex(v *sync.Mutex) *sync.Mutex { work(); return v }

//go:noinline
func kURL(v *url.URL) *url.URL { work(); return v }

//go:noinline
func kBig(v *big.Int) *big.Int { work(); return v }

func structs() {
	same("kPoint", "main.point{X: 1, Y: -2}")
	kPoint(point{1, -2})
	same("kEmbedded", `main.embedded{base: main.base{ID: 1, Name: "n"}, point: &main.point{X: 3, Y: 4}, Tags: []string{"t"}}`)
	kEmbedded(embedded{base{1, "n"}, &point{3, 4}, []string{"t"}})
	same("kMixed", `main.mixed{F: 1.5, B: true, S: "s", D: -0.25, I: -3}`)
	kMixed(mixed{1.5, true, "s", -0.25, -3})
	same("kLarge", `main.large{A: 1, B: 2, C: 3, D: 4, E: 5, Name: "big", X: 0.5, Y: 1.5, Z: 2.5, W: 3.5, Last: [2]bool{true, false}}`)
	kLarge(large{1, 2, 3, 4, 5, "big", 0.5, 1.5, 2.5, 3.5, [2]bool{true, false}})
	same("kEmpty", "main.empty{}")
	kEmpty(empty{})
	same("kAnonymous", "struct { A int; B []bool }{A: 1, B: []bool{true}}")
	kAnonymous(struct {
		A int
		B []bool
	}{1, []bool{true}})
	when := time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)
	same("kTime", `time.Time("2026-02-03T04:05:06.000000007Z")`)
	kTime(when)
	now := time.Now()
	same("kTime", fmt.Sprintf("time.Time(%q)", now.UTC().Format(time.RFC3339Nano)))
	kTime(now)
	counter := new(atomic.Int64)
	counter.Store(9)
	same("kCounter", "&atomic.Int64{_: atomic.noCopy{}, _: atomic.align64{}, v: 9}")
	kCounter(counter)
	same("kMutex", "&sync.Mutex{_: sync.noCopy{}, mu: sync.Mutex{state: 0, sema: 0}}")
	kMutex(new(sync.Mutex))
	link, err := url.Parse("https://example.com/p?q=1")
	if err != nil {
		panic(err)
	}
	same("kURL", `&url.URL{Scheme: "https", Opaque: "", User: nil, Host: "example.com", Path: "/p", Fragment: "", RawQuery: "q=1", RawPath: "", RawFragment: "", ForceQuery: false, OmitHost: false}`)
	kURL(link)
	same("kBig", "&big.Int{neg: true, abs: big.nat{big.Word(12)}}")
	kBig(big.NewInt(-12))
}
