// Command islands calls functions of the standard library whose sites have no room for a jump of their own, and loops that begin with
// their function, while signals rain on its threads, and prints how often it called each.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unicode"
	"unicode/utf8"
)

var nValid, nValidString, nIsPrint, nSimpleFold, nTry, nSum, nTriangle, nLast atomic.Int64

// tryRLock is called through a variable, so that it is not inlined.
var tryRLock = (*sync.RWMutex).TryRLock

func main() {
	rounds, _ := strconv.Atoi(os.Args[1])
	var tids sync.Map
	var done atomic.Bool
	var rain, work sync.WaitGroup
	rain.Go(func() {
		runtime.LockOSThread()
		for !done.Load() {
			for tid := range tids.Range {
				syscall.Syscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(tid.(int)), uintptr(syscall.SIGURG))
			}
			runtime.Gosched()
		}
	})
	for range 3 {
		work.Go(func() {
			runtime.LockOSThread()
			tids.Store(syscall.Gettid(), true)
			var lock sync.RWMutex
			for i := range rounds {
				call(i, &lock)
			}
			tids.Delete(syscall.Gettid())
		})
	}
	work.Wait()
	done.Store(true)
	rain.Wait()
	fmt.Println(nSum.Load(), fault(func() {
		nTry.Add(1)
		tryRLock(nil)
	}), fault(func() {
		nLast.Add(1)
		last(nil)
	}))
	for name, n := range map[string]*atomic.Int64{
		"unicode/utf8.Valid": &nValid, "unicode/utf8.ValidString": &nValidString, "strconv.IsPrint": &nIsPrint,
		"unicode.SimpleFold": &nSimpleFold, "sync.(*RWMutex).TryRLock": &nTry, "main.triangle": &nTriangle, "main.last": &nLast,
	} {
		fmt.Fprintln(os.Stderr, name, n.Load())
	}
}

var texts = []string{"", "a", "\xff", "grüße", "abcdefghijklmnop\xc0", strings.Repeat("x", 40), "\xe2\x82", "\xf0\x9f\x98\x80"}

func call(i int, lock *sync.RWMutex) {
	yes := func(b bool) {
		if b {
			nSum.Add(int64(i))
		}
	}
	text := texts[i%len(texts)]
	nValid.Add(1)
	yes(utf8.Valid([]byte(text)))
	nValidString.Add(1)
	yes(utf8.ValidString(text))
	nIsPrint.Add(1)
	yes(strconv.IsPrint(rune(i * 37 % 0x11000)))
	nSimpleFold.Add(1)
	yes(unicode.SimpleFold(rune(i*11%0x3000)) > 'k')
	nTriangle.Add(1)
	yes(triangle(i%20)%2 == 0)
	nLast.Add(1)
	yes(last(chain).number == 3)
	nTry.Add(1)
	if tryRLock(lock) {
		if i%2 == 0 {
			lock.RUnlock()
		} else {
			lock.RUnlock()
			lock.Lock()
			nTry.Add(1)
			yes(tryRLock(lock))
			lock.Unlock()
		}
	}
}

//go:noinline
func triangle(n int) int {
	sum := 0
	for n > 0 {
		sum += n
		n--
	}
	return sum
}

type link struct {
	next   *link
	number int
}

var chain = &link{&link{&link{nil, 3}, 2}, 1}

//go:noinline
func last(l *link) *link {
	for l.next != nil {
		l = l.next
	}
	return l
}

// fault has f fault, in the first instructions of what it calls, and says where the traceback found it.
func fault(f func()) (where string) {
	defer func() {
		err := recover()
		var pcs [16]uintptr
		frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			where += fmt.Sprintf(" %s:%d", f.Function, f.Line)
		}
		where = fmt.Sprint(err) + where
	}()
	f()
	return ""
}
