// Package loopback gives tests an address of this machine to listen at that no other process uses.
package loopback

import (
	"net/netip"
	"os"
	"runtime"
)

// Address returns an address that is this process's own, so that whoever listens at a port of it can end and come back there: on 127.0.0.1
// a neighbour may be given the port meanwhile, or one that keeps connecting be connected to itself. Where only 127.0.0.1 is this machine, it
// is that.
func Address() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return netip.AddrFrom4([4]byte{127, 64 | byte(pid>>16)&63, byte(pid >> 8), byte(pid)}).String()
}
