package store

import (
	"container/list"
	"sync"
)

// recent remembers the tasks that were asked for last, and those that are at work.
type recent[K comparable, T interface{ busy() bool }] struct {
	most int

	mu    sync.Mutex
	byKey map[K]*list.Element
	order *list.List // of *recentTask, most recent first
}

type recentTask[K comparable, T any] struct {
	key  K
	task T
}

func newRecent[K comparable, T interface{ busy() bool }](most int) *recent[K, T] {
	return &recent[K, T]{most: most, byKey: map[K]*list.Element{}, order: list.New()}
}

// of returns the task of a key, a new one when it is not remembered.
func (c *recent[K, T]) of(key K, begin func() T) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*recentTask[K, T]).task
	}
	t := begin()
	c.byKey[key] = c.order.PushFront(&recentTask[K, T]{key, t})
	for e := c.order.Back(); e != nil && c.order.Len() > c.most; {
		before := e.Prev()
		if old := e.Value.(*recentTask[K, T]); !old.task.busy() {
			delete(c.byKey, old.key)
			c.order.Remove(e)
		}
		e = before
	}
	return t
}
