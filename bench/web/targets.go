package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"smiley/bench/synthetic"
	"smiley/recording"
	"smiley/store"
	"smiley/web"
)

// target is a page, or a way of asking for it.
type target struct {
	name  string
	of    string        // its address in web.Addresses
	page  func() string // addresses at random places; nil: there is none
	json  func() string
	plain string // the same question to the plain table
}

// places are where requests go: calls all over the run.
type places struct {
	run    *store.RunInfo
	random *rand.Rand
	calls  []uint64
	loop   uint64   // the call that made half of all calls
	stacks []string // of the flame graph
	lines  []int    // where functions of the first file begin; a file that was kept from an older version has no sources
}

const sourcePage = "/runs/{run}/files/{file}"

// newTargets makes the targets, so that every page with JSON that the server has is asked for.
func newTargets(ctx context.Context, file string, run *store.RunInfo, only string) ([]target, error) {
	r, err := store.OpenReader(ctx, file)
	if err != nil {
		return nil, err
	}
	p := &places{run: run, random: rand.New(rand.NewPCG(5, 6))}
	err = p.choose(ctx, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	all := p.targets()
	asked := map[string]bool{}
	for i := range all {
		asked[all[i].of] = true
	}
	for _, a := range web.Addresses() {
		if a.Method == http.MethodGet && a.JSON != "" && !asked[a.Path] && (a.Path != sourcePage || len(p.lines) > 0) {
			return nil, fmt.Errorf("the benchmark knows no request for %s", a.Path)
		}
	}
	var chosen []target
	for i := range all {
		wanted := func(word string) bool { return strings.Contains(all[i].name, word) }
		if slices.ContainsFunc(strings.Split(only, ","), wanted) {
			chosen = append(chosen, all[i])
		}
	}
	return chosen, nil
}

// choose picks random calls, and stacks.
func (p *places) choose(ctx context.Context, r *store.Reader) error {
	const picks = 300
	for len(p.calls) < picks {
		for e, err := range r.Events(ctx, p.run.ID, store.EventQuery{FromSeq: 1 + p.random.Uint64N(p.run.Events), Limit: 1}) {
			if err != nil {
				return err
			}
			if e.Kind == recording.KindCall {
				p.calls = append(p.calls, e.Seq)
			}
		}
	}
	loop, err := r.Roots(ctx, p.run.ID, synthetic.LoopGoroutine, 0, 1)
	if err != nil {
		return err
	}
	p.loop = loop[0].Seq
	functions, err := r.FunctionStats(ctx, p.run.ID)
	for i := range functions {
		p.stacks = append(p.stacks, fmt.Sprint(functions[i].Function))
	}
	if err != nil {
		return err
	}
	all, err := r.Functions(ctx, p.run.ID)
	for i := range all {
		if all[i].File == 1 {
			p.lines = append(p.lines, all[i].Line)
		}
	}
	return err
}

func (p *places) call() uint64     { return p.calls[p.random.IntN(len(p.calls))] }
func (p *places) function() string { return p.stacks[p.random.IntN(len(p.stacks))] }

// goroutine is a long-lived one, or one of the short ones.
func (p *places) goroutine() int64 {
	if shorts := int64(p.run.Goroutines) - synthetic.LoopGoroutine; shorts > 0 && p.random.IntN(2) == 0 {
		return synthetic.FirstShort + p.random.Int64N(shorts)
	}
	return 1 + p.random.Int64N(synthetic.LoopGoroutine)
}

// window returns a beginning and an end, in ns, of a part of the run at a random place.
func (p *places) window(part int64) []func() any {
	span := max(p.run.Last/part, 10)
	from := int64(0)
	return []func() any{
		func() any { from = p.random.Int64N(p.run.Last - span); return from },
		func() any { return from + span },
	}
}

// both makes a target whose page and JSON are at the same address but for the ending. format takes what arguments returns.
func (p *places) both(name, plain, of, query string, arguments ...func() any) target {
	path := strings.Replace(of, "{run}", p.run.ID.String(), 1)
	path = strings.NewReplacer("{call}", "%v", "{function}", "%v", "{file}", "1").Replace(path)
	address := func(suffix string) func() string {
		return func() string {
			values := make([]any, len(arguments))
			for i := range arguments {
				values[i] = arguments[i]()
			}
			return fmt.Sprintf(path+suffix+query, values...)
		}
	}
	return target{name: name, of: of, plain: plain, page: address(""), json: address(".json")}
}

func (p *places) targets() []target {
	const of = "/runs/{run}"
	call := func() any { return p.call() }
	loop := func() any { return p.loop }
	function := func() any { return p.function() }
	goroutine := func() any { return p.goroutine() }
	time := func() any { return float64(p.random.Int64N(p.run.Last)) / 1e9 }
	runs := p.both("runs", "", "/", "")
	runs.json = func() string { return "/runs.json" }
	list := []target{
		runs,
		p.both("help", "", "/help", ""),
		p.both("compare", "", "/compare", "?run="+p.run.ID.String()+"&run="+p.run.ID.String()), // costs what two runs do
		p.both("summary", "", of, ""),
		p.both("details, from an event", "events", of+"/events", "?from=%v", call),
		p.both("details, from a time", "events at a time", of+"/events", "?t=%vs", time),
		p.both("details of a goroutine", "", of+"/events", "?g=%v", goroutine),
		p.both("details, before an event", "", of+"/events", "?before=%v", call),
		p.both("details, of one function (a search)", "next call", of+"/events", "?from=%v&f=function:%v", call, function),
		p.both("details, errors (a search)", "errors", of+"/events", "?from=%v&f=errors", call),
		p.both("call tree of a goroutine", "roots", of+"/tree", "?g=%v", goroutine),
		p.both("call tree at a call", "children", of+"/tree", "?at=%v", call),
		p.both("call tree at the call with half of all", "children of one", of+"/tree", "?at=%v", loop),
		p.both("the same, from its end", "", of+"/tree", "?at=%v&before=last", loop),
		p.both("the same, from anywhere", "", of+"/tree", "?at=%v&before=%v", loop, call),
		p.both("the same, behind a child", "", of+"/tree", "?at=%v", call),
		p.both("call", "call", of+"/call/{call}", "", call),
		p.both("call with half of all calls", "", of+"/call/{call}", "", loop),
		p.both("statistics", "statistics", of+"/statistics", ""),
		p.both("function, with its slowest call", "slowest", of+"/function/{function}", "", function),
		p.both("call graph", "graph", of+"/graph", ""),
		p.both("call graph of packages", "", of+"/graph", "?by=package"),
		p.both("flame graph", "flame", of+"/flame", ""),
		p.both("flame graph by calls", "", of+"/flame", "?weight=calls"),
		p.both("flame graph, inverted", "", of+"/flame", "?inverted=1"),
		p.both("flame graph of a call's stack", "", of+"/flame", "?at=%v", call),
		p.both("flame graph of a function", "", of+"/flame", "?function=%v", function),
		p.both("flame graph, search", "", of+"/flame", "?q=f%v", function),
		p.both("flame graph of a goroutine", "", of+"/flame", "?g=%v", goroutine),
		p.both("time line", "time line", of+"/timeline", ""),
		p.both("time line of a thousandth", "", of+"/timeline", "?from=%v&to=%v", p.window(1000)...),
		p.both("time line of a millionth", "", of+"/timeline", "?from=%v&to=%v", p.window(1_000_000)...),
		p.both("time line at a call", "", of+"/timeline", "?at=%v", call),
		p.both("goroutines", "goroutines", of+"/goroutines", "?after=%v", goroutine),
		p.both("files", "", of+"/files", ""),
		p.both("losses", "", of+"/losses", ""),
	}
	if len(p.lines) > 0 {
		line := func() any { return p.lines[p.random.IntN(len(p.lines))] }
		list = append(list, p.both("source file of 6,000 lines, at a line", "", sourcePage, "?line=%v", line))
	}
	for _, to := range []string{"next", "previous", "into", "out"} {
		plain := ""
		if to == "next" {
			plain = "next call"
		}
		step := p.both("step: "+to, plain, of+"/go", "?to="+to+"&at=%v", call)
		step.page = nil // it leads on to another page
		list = append(list, step)
	}
	return list
}
