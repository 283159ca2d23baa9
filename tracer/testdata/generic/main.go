// Generic calls methods of generic types through interfaces, as values and directly.
package main

import "fmt"

type box[T any] struct{ value T }

func (b box[T]) String() string { return fmt.Sprint(b.value) }

func (b *box[T]) set(v T) { b.value = v }

type setter[T any] interface{ set(T) }

func use[T any](s setter[T], v T) { s.set(v) }

func main() {
	b := &box[int]{1}
	use(setter[int](b), 2)
	var s fmt.Stringer = *b
	fmt.Println(s.String(), b)
	method := b.String
	fmt.Println(method())
}
