package web

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// document is a page as somebody reads it whose browser runs no scripts.
type document struct {
	t    *testing.T
	root *html.Node
}

// document asks for a page and reads it.
func (s *site) document(t *testing.T, address string) *document {
	t.Helper()
	w := s.get(address)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", address, w.Code, w.Body)
	}
	return &document{t, parse(t, w.Body.String())}
}

// parse reads a page.
func parse(t *testing.T, body string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	check(t, err)
	return root
}

// inlineOf returns the first tag of a page that has a handler or a style of its own; "" when none has.
func inlineOf(body string) string {
	tokens := html.NewTokenizer(strings.NewReader(body))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := string(tokens.Raw())
			_, more := tokens.TagName()
			for more {
				var key []byte
				if key, _, more = tokens.TagAttr(); strings.HasPrefix(string(key), "on") || string(key) == "style" {
					return tag
				}
			}
		}
	}
}

// TestInlineIsFound checks that the check finds something where there is something to find.
func TestInlineIsFound(t *testing.T) {
	for body, want := range map[string]string{
		`<p>x<b class="a" onclick="f()">y</b>`: `<b class="a" onclick="f()">`, `<i STYLE=x>`: `<i STYLE=x>`, `<br onload/>`: `<br onload/>`,
		`<p title="on style=">onclick= &lt;b onclick=x&gt;<textarea><b onclick=x></textarea>`: "",
	} {
		if got := inlineOf(body); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// named chooses elements by their name.
func named(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == name }
}

// find returns the first element that is wanted.
func find(within *html.Node, wanted func(*html.Node) bool) *html.Node {
	for n := range within.Descendants() {
		if n.Type == html.ElementNode && wanted(n) {
			return n
		}
	}
	return nil
}

// textOf is the text of an element, without drawings.
func textOf(n *html.Node) string {
	var out strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			out.WriteString(n.Data)
		}
		if n.Data == "svg" {
			return
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
	}
	walk(n)
	return strings.TrimSpace(out.String())
}

// labelled is the text of the element with a label.
func (d *document) labelled(label string) string {
	d.t.Helper()
	n := find(d.root, func(n *html.Node) bool { return attribute(n, "aria-label") == label })
	if n == nil {
		d.t.Fatalf("nothing is labelled %q", label)
	}
	return textOf(n)
}

// table returns the texts of the cells of the first table that follows a heading, or of the first one of the page.
func (d *document) table(heading string) [][]string {
	d.t.Helper()
	rows := [][]string{}
	past, inside := heading == "", false
	for n := range d.root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "h1", "h2":
			past = past || textOf(n) == heading
		case "table":
			if inside {
				return rows
			}
			inside = past
		case "tr":
			if !inside || n.Parent.Data != "tbody" {
				continue
			}
			var cells []string
			for c := range n.ChildNodes() {
				if c.Type == html.ElementNode {
					cells = append(cells, textOf(c))
				}
			}
			rows = append(rows, cells)
		}
	}
	if !inside {
		d.t.Fatalf("no table behind %q", heading)
	}
	return rows
}

// figures are the big numbers of a page, by what they are.
func (d *document) figures() map[string]string {
	figures := map[string]string{}
	for n := range d.root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "li" || !hasClass(n.Parent, "figures") {
			continue
		}
		number := find(n, func(n *html.Node) bool { return n.Data == "b" })
		name := find(n, func(n *html.Node) bool { return n.Data == "span" })
		if number != nil && name != nil {
			figures[textOf(name)] = textOf(number)
		}
	}
	return figures
}
