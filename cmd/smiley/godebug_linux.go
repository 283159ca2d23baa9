//go:build cgo && linux

package main

/*
#include <stdlib.h>
#include <string.h>

extern char **environ;

static char *godebug;

// Go's runtime looks for GODEBUG when it starts, where the kernel put the environment: this is before.
__attribute__((constructor)) static void take_godebug(void) {
	for (char **e = environ; e && *e; e++) {
		if (strncmp(*e, "GODEBUG=", 8) == 0 && (*e)[8]) {
			free(godebug);
			if ((godebug = strdup(*e + 8)))
				(*e)[8] = 0;
		}
	}
}

static char *taken_godebug(void) { return godebug; }
*/
import "C"

import "os"

// GODEBUG is meant for the program that is recorded, which gets it as if smiley were not there. Were smiley's own runtime to follow it,
// its schedtrace would lie among that of the program, and with sbrk=1 it would end, or stand still and hold the program.
func init() {
	if taken := C.taken_godebug(); taken != nil {
		_ = os.Setenv("GODEBUG", C.GoString(taken)) // in the place where it was
	}
}
