//go:build cgo && linux && amd64

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// cutter is a link between programs and their recorder that can be cut.
type cutter interface{ set(cut bool) }

// cable is a pair of network interfaces, one of them in a namespace of its own.
type cable struct {
	s         *stage
	namespace string
	inside    string
}

// cableAddresses are those of the ends of a cable, from a block that is for measurements and so used by nobody. They are this process's own:
// tests of others may have cables, too.
func cableAddresses() (outside, inside string) {
	const block = 198<<24 | 18<<16
	var b [4]byte
	at := func(n int) string {
		binary.BigEndian.PutUint32(b[:], block|uint32(os.Getpid())<<2&0x1ffff|uint32(n))
		return netip.AddrFrom4(b).String()
	}
	return at(1), at(2)
}

// network puts the programs of a stage into a network of their own, and says why it cannot.
func (s *stage) network() (*cable, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("network namespaces need root")
	}
	id := strconv.Itoa(os.Getpid())
	outsideAddress, insideAddress := cableAddresses()
	c := &cable{s: s, namespace: "smiley" + id, inside: "smi" + id}
	outside := "smo" + id
	if text, err := exec.Command("ip", "netns", "add", c.namespace).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ip netns add: %v, %s", err, text)
	}
	s.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", c.namespace).Run() })
	if text, err := exec.Command("ip", "link", "add", outside, "type", "veth", "peer", "name", c.inside, "netns", c.namespace).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ip link add: %v, %s", err, text)
	}
	s.must("ip", "address", "add", outsideAddress+"/30", "dev", outside)
	s.must("ip", "link", "set", outside, "up")
	s.must("ip", "-n", c.namespace, "address", "add", insideAddress+"/30", "dev", c.inside)
	s.must("ip", "-n", c.namespace, "link", "set", c.inside, "up")
	s.must("ip", "-n", c.namespace, "link", "set", "lo", "up")
	s.namespace = c.namespace
	s.address = "tcp://" + outsideAddress + ":0"
	return c, nil
}

// set makes the cable lose every packet, without a word to anybody, or carry them again.
func (c *cable) set(cut bool) {
	state := "up"
	if cut {
		state = "down"
	}
	c.s.must("ip", "-n", c.namespace, "link", "set", c.inside, state)
}

// proxy passes connections on from another address of this machine, until it is cut.
type proxy struct {
	address string
	mu      sync.Mutex
	isCut   bool
	conns   map[net.Conn]bool
	done    sync.WaitGroup
}

// link puts a proxy before the recorder: the same ports, at another address.
func (s *stage) link() *proxy {
	s.t.Helper()
	p := &proxy{conns: map[net.Conn]bool{}}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(s.address, "tcp://"))
	if err != nil {
		s.t.Fatal(err)
	}
	control, err := strconv.Atoi(port)
	if err != nil {
		s.t.Fatal(err)
	}
	p.address = "tcp://127.0.0.2:" + port
	for n := control; n <= control+1; n++ {
		port := strconv.Itoa(n)
		l, err := net.Listen("tcp", "127.0.0.2:"+port)
		if err != nil {
			s.t.Fatal(err)
		}
		p.done.Go(func() { p.serve(l, net.JoinHostPort(host, port)) })
		s.t.Cleanup(func() { _ = l.Close() })
	}
	s.t.Cleanup(func() { p.set(true) })
	return p
}

func (p *proxy) serve(l net.Listener, target string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil || !p.add(in, out) {
			_ = in.Close()
			continue
		}
		for from, to := range map[net.Conn]net.Conn{in: out, out: in} {
			p.done.Go(func() {
				_, _ = io.Copy(to, from)
				_ = from.Close()
				_ = to.Close()
			})
		}
	}
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.isCut {
			_ = c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.isCut
}

// set cuts the link, or makes it whole again.
func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isCut = cut
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}
