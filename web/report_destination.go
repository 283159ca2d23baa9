package web

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// destination is where an address of the run leads: a page by its key, an element in it, or for the details an event that one of
// their pages shows.
type destination struct {
	key      string
	fragment string
	seq      uint64
}

// kept are the parameters that make another page of a view in a report. What is in focus is shown by the server only.
var kept = map[string][]string{
	"statistics": {"sort", "skip"}, "graph": {"by", "n"}, "flame": {"weight", "inverted"}, "goroutines": {"after"}, "": nil, "files": nil, "losses": nil,
}

// destination finds out where an address leads; false when that is nothing a report has.
func (r *report) destination(address string) (destination, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Host != "" || u.Scheme != "" {
		return destination{}, false
	}
	path, ok := strings.CutPrefix(u.Path, "/runs/"+r.run)
	view, query := strings.TrimPrefix(path, "/"), u.Query()
	if !ok || path != "" && !strings.HasPrefix(path, "/") {
		return destination{}, false
	}
	p := destination{fragment: u.Fragment}
	first, rest, _ := strings.Cut(view, "/")
	switch {
	case rest == "" && first == "events":
		return eventsDestination(query)
	case rest == "" && first == "timeline":
		return timelineDestination(query)
	case rest == "" && first == "tree":
		if query.Get("before") != "" { // lists are read from their beginning
			return destination{}, false
		}
		names := []string{"at", "after"}
		if query.Get("at") == "" {
			names = []string{"g", "after"}
		}
		p.key = key(view, query, names...)
	case rest != "" && parseNumber(rest) == 0: // the JSON of a page, too
		return destination{}, false
	case first == "call" && rest != "":
		p.key = key(view, query, "after")
	case (first == "function" || first == "files") && rest != "":
		p.key = view
	default:
		names, known := kept[view]
		if !known {
			return destination{}, false
		}
		p.key = key(view, query, names...)
	}
	return p, true
}

// eventsDestination is where an address of the details leads: the page that shows an event, or the list of a filter.
func eventsDestination(query url.Values) (destination, bool) {
	for _, name := range []string{"from", "at"} {
		if seq := parseNumber(query.Get(name)); seq > 0 {
			return destination{key: "events", fragment: "e" + strconv.FormatUint(seq, 10), seq: seq}, true
		}
	}
	if before := parseNumber(query.Get("before")); before > 1 {
		return destination{key: "events", seq: before - 1}, true
	}
	if query.Get("t") != "" || query.Get("before") != "" {
		return destination{}, false
	}
	return destination{key: key("events", query, "f", "g")}, true
}

// timelineDestination is where an address of the time line leads: all of the run, or the call that it is about. Other windows are
// shown by the server only.
func timelineDestination(query url.Values) (destination, bool) {
	if at := parseNumber(query.Get("at")); at > 0 {
		return destination{key: "call/" + strconv.FormatUint(at, 10)}, true
	}
	for _, name := range []string{"from", "to", "goroutines", "after", "n"} {
		if query.Get(name) != "" {
			return destination{}, false
		}
	}
	return destination{key: "timeline"}, true
}

// nextDetails is the page of the details that follows another.
func (r *report) nextDetails(address string) (destination, bool) {
	p, ok := r.destination(address)
	if !ok || p.seq == 0 {
		return p, false
	}
	return destination{key: "events?from=" + strconv.FormatUint(p.seq, 10)}, true
}

// key is a page's address within the run, with the parameters that matter in a stable order.
func key(view string, query url.Values, names ...string) string {
	kept := url.Values{}
	for _, name := range names {
		if value := query.Get(name); value != "" {
			kept.Set(name, value)
		}
	}
	if len(kept) == 0 {
		return view
	}
	return view + "?" + kept.Encode()
}

func addressOf(key string) string {
	if key == "" {
		return ""
	}
	return "/" + key
}

// callOf is the call that a page is about, "" for all other pages.
func callOf(key string) string {
	view, query, _ := strings.Cut(key, "?")
	if call, ok := strings.CutPrefix(view, "call/"); ok {
		return call
	}
	values, err := url.ParseQuery(query)
	if view != "tree" || err != nil {
		return ""
	}
	return values.Get("at")
}

// nameFor makes the name of a page's file: what the page is, and a number where that does not say all.
func (r *report) nameFor(key string) string {
	if key == "" {
		return "index"
	}
	view, query, _ := strings.Cut(key, "?")
	base := strings.ReplaceAll(view, "/", "-")
	values, _ := url.ParseQuery(query) // it was made by Encode
	for _, name := range []string{"g", "at", "from", "after", "by", "weight", "n"} {
		if value := values.Get(name); value != "" && fitsFileName(value) && values.Get("f") == "" {
			base += "-" + strings.TrimPrefix(name+value, "at")
		}
	}
	if view == "events" && values.Get("f") != "" {
		base = "list"
	}
	r.names[base]++
	if n := r.names[base]; n > 1 || base == "list" {
		return base + "-" + strconv.Itoa(n)
	}
	return base
}

// fitsFileName reports whether a parameter can be part of a file's name on any system.
func fitsFileName(text string) bool {
	return len(text) <= 30 && !strings.ContainsFunc(text, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z')
	})
}

func parseNumber(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0
	}
	return n
}

// target is the page, by its file's name, and the element that an address leads to; false when the report lacks it.
func (r *report) target(address string) (name, fragment string, ok bool) {
	p, ok := r.destination(address)
	if !ok {
		return "", "", false
	}
	if p.seq == 0 {
		page := r.pages[p.key]
		if page == nil {
			return "", "", false
		}
		return page.name, p.fragment, true
	}
	// Return rows are part of their call's row now and then: their page is right, and the element is missing then.
	i := sort.Search(len(r.starts), func(i int) bool { return r.starts[i] > p.seq })
	if i == 0 || p.seq > r.through+1 {
		return "", "", false
	}
	return r.files[i-1], p.fragment, true
}
