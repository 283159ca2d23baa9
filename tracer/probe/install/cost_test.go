//go:build linux && amd64

package install

import (
	"fmt"
	"strings"
	"testing"

	"smiley/tracer/probe/asm"
	"smiley/tracer/probe/ring"
	"smiley/tracer/probe/routine"
	"smiley/tracer/probe/site"
)

// BenchmarkCall prints what probes add to a call, beside the same program without them in the same run. Wall time per
// call: with four goroutines on two processors the tracer's own work is in it.
func BenchmarkCall(b *testing.B) {
	path := fixture(b, "cost")
	img, err := site.Load(path)
	if err != nil {
		b.Fatal(err)
	}
	probes := func(nodes *routine.Nodes) (list []Probe) {
		text := stringCapture(nodes, true)
		for _, p := range mainProbes(img, func(f *site.Function) (args, results routine.Capture) {
			switch f.Name {
			case "main.pair":
				return routine.Capture{Words: []routine.Word{{Reg: asm.RAX}, {Reg: asm.RBX}}},
					routine.Capture{Words: []routine.Word{{Reg: asm.RAX}, {Reg: asm.RBX}, {Reg: asm.RCX}}}
			case "main.text":
				args, results = text(f)
				args.Words = args.Words[:2]
			}
			return args, results
		}) {
			switch p.Function.Name {
			case "main.nothing", "main.pair", "main.text":
				list = append(list, p)
			}
		}
		return list
	}
	for _, workers := range []string{"1", "4"} {
		b.Run(workers+" goroutines", func(b *testing.B) {
			n := "2000000"
			for b.Loop() {
				plain, _, _ := untraced(b, nil, path, n, workers)
				nodes := &routine.Nodes{} // they move to what is shared with the program
				r := record(b, img, probes(nodes), Options{Command: []string{path, n, workers}, Nodes: nodes}, func(*ring.Record) error { return nil })
				base, with := figures(plain), figures(r.stdout)
				for _, shape := range []string{"nothing", "pair", "text"} {
					b.ReportMetric(with[shape]-base[shape], shape+"-ns/call")
				}
				if r.dropped > 0 {
					b.Errorf("%d dropped", r.dropped)
				}
			}
		})
	}
}

// figures reads lines "name number".
func figures(out string) map[string]float64 {
	m := map[string]float64{}
	for line := range strings.Lines(out) {
		var name string
		var v float64
		if _, err := fmt.Sscan(line, &name, &v); err == nil {
			m[name] = v
		}
	}
	return m
}

// BenchmarkPauses prints for how long collections stop a program that does nothing but call a probed leaf function:
// without probes, with them, and with them but without the shim. Microseconds.
func BenchmarkPauses(b *testing.B) {
	path := fixture(b, "pauses")
	img, err := site.Load(path)
	if err != nil {
		b.Fatal(err)
	}
	report := func(b *testing.B, out string) {
		for name, v := range figures(out) {
			b.ReportMetric(v, name+"-us")
		}
	}
	b.Run("untraced", func(b *testing.B) {
		for b.Loop() {
			out, _, _ := untraced(b, nil, path)
			report(b, out)
		}
	})
	for name, keep := range map[string]bool{"probes": false, "without the shim": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				o := Options{Command: []string{path}, KeepHandler: keep}
				r := record(b, img, mainProbes(img, twoWords), o, nil)
				report(b, r.stdout)
				b.Logf("%+v", r.process.Reader.Signals())
			}
		})
	}
}
