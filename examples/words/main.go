// Words counts the words of a text in a generic binary tree and prints the most frequent ones: recursion, type
// parameters, closures.
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
)

const text = `A recording is made once and read many times. A reader asks what a function was given and what it gave back,
and a recording knows both. What a program printed is the least of what it did.`

// tree is an ordered map.
type tree[K cmp.Ordered, V any] struct {
	root *node[K, V]
	size int
}

type node[K cmp.Ordered, V any] struct {
	key         K
	value       V
	left, right *node[K, V]
}

// update replaces the value of key by what change makes of it.
func (t *tree[K, V]) update(key K, change func(V) V) {
	t.root = t.insert(t.root, key, change)
}

func (t *tree[K, V]) insert(n *node[K, V], key K, change func(V) V) *node[K, V] {
	if n == nil {
		t.size++
		n = &node[K, V]{key: key}
	}
	switch cmp.Compare(key, n.key) {
	case -1:
		n.left = t.insert(n.left, key, change)
	case 1:
		n.right = t.insert(n.right, key, change)
	default:
		n.value = change(n.value)
	}
	return n
}

// walk calls visit for every pair in order of the keys.
func walk[K cmp.Ordered, V any](n *node[K, V], visit func(K, V)) {
	if n == nil {
		return
	}
	walk(n.left, visit)
	visit(n.key, n.value)
	walk(n.right, visit)
}

type count struct {
	Word  string
	Times int
}

func main() {
	words := tree[string, int]{}
	if err := read(strings.NewReader(text), &words); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, c := range top(&words, 5) {
		fmt.Printf("%3d %s\n", c.Times, c.Word)
	}
}

func read(r io.Reader, words *tree[string, int]) error {
	scanner := bufio.NewScanner(r)
	scanner.Split(bufio.ScanWords)
	for scanner.Scan() {
		if word := normal(scanner.Text()); word != "" {
			words.update(word, increment)
		}
	}
	return scanner.Err()
}

func normal(word string) string {
	return strings.ToLower(strings.TrimFunc(word, isPunctuation))
}

func isPunctuation(r rune) bool { return unicode.IsPunct(r) }

func increment(n int) int { return n + 1 }

func top(words *tree[string, int], limit int) []count {
	var counts []count
	walk(words.root, func(word string, times int) {
		counts = append(counts, count{Word: word, Times: times})
	})
	slices.SortStableFunc(counts, func(a, b count) int { return b.Times - a.Times })
	return counts[:min(limit, len(counts))]
}
