package main

import "unsafe"

func addr(b *[1]byte) unsafe.Pointer { return unsafe.Pointer(b) }
