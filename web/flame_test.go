package web

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"smiley/export"
	"smiley/web/webtest"
)

// flame asks for a flame graph until the run has been read.
func (s *site) flame(address string) *flameJSON {
	s.t.Helper()
	for {
		var f flameJSON
		if s.ask(address, &f); !f.Partial {
			return &f
		}
	}
}

// each calls visit for a stack and all below it.
func (n *flameNode) each(path []string, visit func(path []string, n *flameNode)) {
	path = append(path[:len(path):len(path)], n.Function)
	visit(path, n)
	for _, c := range n.Children {
		c.each(path, visit)
	}
}

// TestFlameEqualsCalls compares the flame graph, and every part of it, with the calls themselves.
func TestFlameEqualsCalls(t *testing.T) {
	s, truths := newTruths(t)
	for _, truth := range truths {
		base := truth.base + "/flame.json"
		paths, byFunction, stackOf := map[string]uint64{}, map[string]uint64{}, map[uint64]string{}
		for i := range truth.calls {
			c := &truth.calls[i]
			name := string([]rune(c.Function)) // JSON holds no bytes that are not UTF-8
			stackOf[c.Seq] = stackOf[c.Parent] + "\n" + name
			paths[stackOf[c.Seq]]++
			byFunction[name]++
		}
		whole := s.flame(base)
		got := map[string]uint64{}
		whole.Stack.each(nil, func(path []string, n *flameNode) {
			if n != whole.Stack {
				got[strings.Join(path, "\n")] = n.Calls
			}
			self, within := n.Self, n.Calls
			for _, c := range n.Children {
				self += c.Total
				within += c.Within
			}
			if self != n.Total || within != n.Within {
				t.Errorf("%q does not add up: %d of %d ns, %d of %d calls", path, self, n.Total, within, n.Within)
			}
		})
		if !reflect.DeepEqual(got, paths) {
			t.Errorf("stacks:\n got %v\nwant %v", got, paths)
		}
		inverted := s.flame(base + "?inverted=1&weight=calls")
		for _, c := range inverted.Stack.Children {
			if c.Calls != byFunction[c.Function] {
				t.Errorf("inverted, %q: %d calls, want %d", c.Function, c.Calls, byFunction[c.Function])
			}
			delete(byFunction, c.Function)
		}
		if len(byFunction) > 0 || inverted.Stack.Total != whole.Stack.Total {
			t.Errorf("inverted: %v are missing; %d ns, want %d", byFunction, inverted.Stack.Total, whole.Stack.Total)
		}
		checkFlameFocus(t, s, base, whole, truth, stackOf)
	}
}

func checkFlameFocus(t *testing.T, s *site, base string, whole *flameJSON, truth *truth, stackOf map[uint64]string) {
	t.Helper()
	asked := map[string]bool{}
	for i := range truth.calls {
		c := &truth.calls[i]
		if asked[stackOf[c.Seq]] {
			continue // the graph knows calls by their stacks only
		}
		asked[stackOf[c.Seq]] = true
		f := s.flame(fmt.Sprintf("%s?at=%d", base, c.Seq))
		var path string
		for _, frame := range f.Path {
			path += "\n" + frame.Function
		}
		if path != stackOf[c.Seq] {
			t.Errorf("the focus on call %d is %q, want %q", c.Seq, path, stackOf[c.Seq])
		}
		if all := s.flame(fmt.Sprintf("%s?at=%d&whole=1", base, c.Seq)); !reflect.DeepEqual(all.Stack, whole.Stack) {
			t.Errorf("the whole run with call %d in focus is not the whole run", c.Seq)
		}
	}
	var visit func(n *flameNode, path string)
	visit = func(n *flameNode, path string) {
		for _, c := range n.Children {
			below := strings.TrimPrefix(fmt.Sprint(path, ".", c.ID), ".")
			if f := s.flame(base + "?stack=" + below); !reflect.DeepEqual(f.Stack, c) {
				t.Errorf("stack %s is another one in focus:\n got %+v\nwant %+v", below, f.Stack, c)
			}
			visit(c, below)
		}
	}
	visit(whole.Stack, "")
	if len(truth.calls) == 0 {
		return
	}
	first := whole.Stack.Children[0]
	address := fmt.Sprintf("%s?function=%d", base, first.ID)
	merged := s.flame(address)
	if merged.Stack.Function != first.Function || merged.Stack.Within < first.Within {
		t.Errorf("%q, wherever it was called: %+v", first.Function, merged.Stack)
	}
	if export.Escape(first.Function) != first.Function {
		return
	}
	if found := s.flame(address + "&q=" + url.QueryEscape(first.Function)); found.Matched == nil || found.Matched.Time != found.Stack.Total {
		t.Errorf("a search for what is in focus finds %+v of %d ns", found.Matched, found.Stack.Total)
	}
}

// TestFlameWithoutScript checks that everything can be reached by links and forms.
func TestFlameWithoutScript(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	base := "/runs/" + runs[0].ID.String() + "/flame"
	whole := s.flame(base + ".json")
	body := s.get(base).Body.String()
	checkPage(t, base, body)
	for _, want := range []string{
		"weight=calls", "inverted=1", fmt.Sprintf("stack=%d", whole.Stack.Children[0].ID), `type="search" name="q"`,
		`data-island="flame"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	found := s.get(base + "?weight=calls&q=leaf").Body.String()
	for _, want := range []string{"<mark>", "What was found makes up", `name="weight" value="calls"`} {
		if !strings.Contains(found, want) {
			t.Errorf("the page of a search lacks %s", want)
		}
	}
	if body := s.get(base + "?q=nobody").Body.String(); !strings.Contains(body, "No function of this run is named like that") {
		t.Error("a search that finds nothing does not say so")
	}
	for address, want := range map[string]int{
		"?stack=1.x": http.StatusBadRequest, "?stack=0": http.StatusBadRequest, "?stack=5.5.5.5": http.StatusNotFound,
		"?function=x": http.StatusBadRequest, "?function=77": http.StatusNotFound, "?levels=0": http.StatusBadRequest,
		"?at=9999999": http.StatusNotFound, "?q=" + url.QueryEscape("\u202e"): http.StatusBadRequest,
		"?stack=" + strings.Repeat("1.", 300) + "1": http.StatusBadRequest, "?g=1": http.StatusOK,
	} {
		if w := s.get(base + address); w.Code != want {
			t.Errorf("%s: %d, want %d", address, w.Code, want)
		}
	}
}

// TestReadingCanBeStopped checks that a page that is not to read anything says how far it was read, and leads on.
func TestReadingCanBeStopped(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	for _, view := range []string{"flame", "flame?g=1"} {
		s := newSite(t, file, Options{})
		base := "/runs/" + runs[0].ID.String() + "/" + view
		with := base + map[bool]string{true: "&", false: "?"}[strings.Contains(base, "?")] + "read=no"
		body := s.get(with).Body.String()
		checkPage(t, with, body)
		if stopped := strings.Contains(body, "Reading was stopped"); stopped != strings.Contains(body, "Go on reading") || strings.Contains(body, `http-equiv="refresh"`) {
			t.Errorf("%s does not lead on, or asks again by itself", with)
		} else if view == "flame" && !stopped {
			t.Errorf("%s does not say that nothing was read", with)
		}
		if f := s.flame(strings.Replace(base, "flame", "flame.json", 1)); len(f.Stack.Children) == 0 {
			t.Errorf("%s has no stacks", base)
		}
		if body := s.get(with).Body.String(); strings.Contains(body, "Reading was stopped") {
			t.Errorf("%s says that it was stopped, although all was read", with)
		}
	}
}
