package store

import (
	"container/list"
	"sync"
)

// sized is a value that knows how much memory it takes.
type sized interface{ bytes() int }

// cache keeps the values used last, up to a limit of bytes. Values are read only. It is safe for concurrent use.
type cache[K comparable, V sized] struct {
	mu      sync.Mutex
	limit   int
	size    int
	entries map[K]*list.Element
	order   *list.List // most recent first
}

type cacheEntry[K comparable, V sized] struct {
	key   K
	value V
}

func newCache[K comparable, V sized](limit int) *cache[K, V] {
	return &cache[K, V]{limit: limit, entries: make(map[K]*list.Element), order: list.New()}
}

// get returns a value, the zero V when it is not kept.
func (c *cache[K, V]) get(key K) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		var none V
		return none
	}
	c.order.MoveToFront(e)
	return e.Value.(*cacheEntry[K, V]).value
}

func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[key]; ok {
		return // another query was faster
	}
	c.entries[key] = c.order.PushFront(&cacheEntry[K, V]{key, value})
	c.size += value.bytes()
	for c.size > c.limit && c.order.Len() > 1 {
		last := c.order.Remove(c.order.Back()).(*cacheEntry[K, V])
		delete(c.entries, last.key)
		c.size -= last.value.bytes()
	}
}
