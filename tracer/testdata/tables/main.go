// Tables has values of types in the data of the package that no function mentions.
package main

import (
	"container/ring"
	"io/fs"
	"strconv"
)

type (
	number int
	chain  struct {
		Next *chain
		Tag  number "with a tag"
		List []chain
	}
	holder struct {
		chain
		*number
		In   interface{ Area() number }
		Any  any
		_    [0]func(chain)
		F    func(int) string
		Last [2]struct{ X, y int16 }
	}
	pair[K comparable, V any] struct {
		Key K
		Val V
	}
	list []number
	set  map[number]struct{}
)

func (n number) Area() number { return n }

var seven = number(7)

var table = []any{
	[]number{1, 2},
	[3]int8{1, 2, 3},
	map[number]bool{},
	&chain{Tag: 2, Next: &chain{Tag: 3}},
	chain{List: []chain{{Tag: 4}}},
	holder{chain: chain{Tag: 5}, number: &seven, In: number(6), Any: []uint16{8}, Last: [2]struct{ X, y int16 }{{1, 2}, {3, 4}}},
	struct {
		Q float32
		s string
	}{1.5, "text"},
	[]chain(nil), (*holder)(nil), (func(number) list)(nil), (chan chain)(nil),
	pair[string, *ring.Ring]{Key: "k"},
	list{9},
	set(nil),
	&pair[number, []any]{1, []any{pair[int8, bool]{2, true}}},
	[1]*number{&seven},
	[][]chain{{}},
	[0]chain{},
}

var problems = []error{
	&fs.PathError{Op: "open", Path: "file", Err: fs.ErrNotExist}, &strconv.NumError{Func: "Atoi", Num: "x", Err: strconv.ErrSyntax},
}

//go:noinline
func takes(v any) any { return v }

//go:noinline
func fails(err error) error { return err }

func main() {
	for range 2 {
		for _, v := range table {
			takes(v)
		}
		for _, err := range problems {
			_ = fails(err)
		}
	}
}
