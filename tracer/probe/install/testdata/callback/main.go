// Command callback has threads of C call Go functions.
package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>

extern int goCall(int);

static void *run(void *arg) {
	long sum = 0;
	for (int i = 0; i < 1000; i++)
		sum += goCall(i);
	return (void *)sum;
}

static long all(int n) {
	pthread_t t[64];
	long sum = 0;
	for (int i = 0; i < n; i++)
		pthread_create(&t[i], 0, run, 0);
	for (int i = 0; i < n; i++) {
		void *r;
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	return sum;
}
*/
import "C"

import (
	"fmt"
	"os"
	"sync/atomic"
)

var nCall, nInner atomic.Int64

//
//go:noinline
//export goCall
func goCall(i C.int) C.int {
	nCall.Add(1)
	return C.int(inner(int(i)))
}

//go:noinline
func inner(i int) int {
	nInner.Add(1)
	return i % 7
}

func main() {
	for range 5 {
		fmt.Println(C.all(8))
	}
	fmt.Fprintln(os.Stderr, "main.goCall", nCall.Load())
	fmt.Fprintln(os.Stderr, "main.inner", nInner.Load())
}
