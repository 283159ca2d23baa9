package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"smiley/recording"
)

// Bounds of what a report's islands hold.
const (
	reportStacks     = 3000 // of a flame graph
	reportGoroutines = 200  // with a tree
)

// reportCalls is what the call trees of a report hold: pages opened from a disk can ask nobody.
type reportCalls struct {
	// Lists are the calls that a call made, by its seq, and the outermost ones of a goroutine, by "g" and its number.
	Lists map[string]*reportList `json:"lists"`
	// Pages are the addresses of the calls that have a page, by their seq.
	Pages map[string]string `json:"pages"`
}

type reportList struct {
	Calls []treeCall `json:"calls"`
	More  bool       `json:"more,omitempty"` // the run has further ones
}

// treeCalls gathers calls, as JSON, level by level, so that what is near the top is whole.
func (r *report) treeCalls(ctx context.Context, address func(page string) string) ([]byte, error) {
	out := &reportCalls{Lists: map[string]*reportList{}, Pages: map[string]string{}}
	for call := range r.calls {
		if p := r.pages["call/"+call]; p != nil {
			out.Pages[call] = address(p.name)
		}
	}
	reader, done, err := r.server.database.acquire(ctx)
	if err != nil {
		return nil, err
	}
	goroutines, err := reader.Goroutines(ctx, r.info.ID, 0, reportGoroutines)
	done()
	if err != nil {
		return nil, err
	}
	type place struct {
		name  string
		query string
	}
	var open []place
	for i := range goroutines {
		if goroutines[i].Calls > 0 {
			id := strconv.FormatInt(goroutines[i].ID, 10)
			open = append(open, place{"g" + id, "g=" + id})
		}
	}
	left := r.options.MaxCalls
	for len(open) > 0 && left > 0 {
		next := open[0]
		open = open[1:]
		list := &reportList{Calls: []treeCall{}}
		for after := uint64(0); left > 0; {
			var tree treeJSON
			query := next.query + "&path=no&short=1&n=" + itoa(min(left, treePageMax)) + "&after=" + strconv.FormatUint(after, 10)
			if err := r.answer(ctx, "tree?"+query, &tree); err != nil {
				return nil, err
			}
			list.Calls = append(list.Calls, tree.Calls...)
			left -= len(tree.Calls)
			after = tree.After
			if list.More = after != 0; !list.More {
				break
			}
		}
		out.Lists[next.name] = list
		for i := range list.Calls {
			c := &list.Calls[i]
			if c.EndSeq != c.Seq+1 {
				seq := strconv.FormatUint(c.Seq, 10)
				open = append(open, place{seq, "at=" + seq})
			}
		}
	}
	return json.Marshal(out)
}

// answer asks the server for the JSON of a page of the run.
func (r *report) answer(ctx context.Context, key string, into any) error {
	body, err := r.server.page(context.WithValue(ctx, wantsJSON{}, true), "/runs/"+r.run+addressOf(key))
	if err != nil {
		return err
	}
	if body == nil {
		return recording.Errorf(recording.CodeInternal, "the data of %s could not be made", shorten(key, 60))
	}
	return json.Unmarshal(body, into)
}

// island prepares the place of an island for a life without its server. Those that cannot do without it are taken away.
func (r *report) island(ctx context.Context, n *html.Node, p *reportPage) error {
	view, query, _ := strings.Cut(p.key, "?")
	keep := map[string]string{"data-report": ""}
	for i := range n.Attr {
		if name := n.Attr[i].Key; name == "data-island" || name == "data-goroutine" {
			keep[name] = n.Attr[i].Val
		}
	}
	switch view {
	case "tree":
		if call := callOf(p.key); call != "" {
			keep["data-at"] = call
		}
	case "flame":
		var data json.RawMessage
		key := "flame?n=" + itoa(reportStacks)
		if query != "" {
			key += "&" + query
		}
		if err := r.answer(ctx, key, &data); err != nil {
			return err
		}
		n.AppendChild(dataElement("", data))
	default:
		delete(keep, "data-island")
	}
	n.Attr = nil
	for _, name := range slices.Sorted(maps.Keys(keep)) {
		setAttribute(n, name, keep[name])
	}
	return nil
}

// dataElement holds JSON for a script. The encoder leaves nothing in it that could end the element.
func dataElement(id string, data []byte) *html.Node {
	n := &html.Node{Type: html.ElementNode, Data: "script", Attr: []html.Attribute{{Key: "type", Val: "application/json"}}}
	if id != "" {
		setAttribute(n, "id", id)
	}
	n.AppendChild(&html.Node{Type: html.TextNode, Data: string(data)})
	return n
}

// scriptHash lets a policy allow one script and no other.
func scriptHash(body []byte) string {
	sum := sha256.Sum256(body)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
