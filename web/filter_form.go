package web

import (
	"net/url"
	"slices"
	"strings"
)

// filterParts are the parts of a filter as a form has them, for people who do not know its words.
type filterParts struct {
	Function, Only, Over, Depth, Goroutine string
	Functions                              []string // to choose from
}

const filterFunctions = 200 // functions that the form offers

// filterParts takes the filter of the request apart.
func (q *request) filterParts() filterParts {
	parts := filterParts{Functions: []string{}}
	if q.focus.Goroutine > 0 {
		parts.Goroutine = strings.TrimPrefix(goroutineName(q.focus.Goroutine), "g")
	}
	for _, word := range strings.Fields(q.focus.Filter) {
		key, value, _ := strings.Cut(word, ":")
		switch {
		case word == "errors" || word == "panics" || word == "output":
			parts.Only = word
		case key == "over":
			parts.Over = value
		case key == "depth":
			parts.Depth = value
		default:
			parts.Function = strings.TrimSpace(parts.Function + " " + word)
		}
	}
	for i := range q.names.functions {
		if len(parts.Functions) == filterFunctions {
			break
		}
		if word := q.names.functionWord(&q.names.functions[i]); !strings.Contains(word, ":") {
			parts.Functions = append(parts.Functions, word)
		}
	}
	slices.Sort(parts.Functions)
	parts.Functions = slices.Compact(parts.Functions)
	return parts
}

// builtFilter is the address that a form filled in part by part stands for; "" when the request is not such a form.
func (q *request) builtFilter() string {
	if !q.query.Has("only") {
		return ""
	}
	words := strings.Fields(q.query.Get("function"))
	for _, part := range []struct{ name, before string }{{"only", ""}, {"over", "over:"}, {"depth", "depth:"}} {
		if value := strings.TrimSpace(q.query.Get(part.name)); value != "" {
			words = append(words, part.before+value)
		}
	}
	query := url.Values{}
	for name, value := range map[string]string{"f": strings.Join(words, " "), "g": q.query.Get("g")} {
		if value = strings.TrimSpace(value); value != "" {
			query.Set(name, value)
		}
	}
	address := "/runs/" + q.links.run + "/events"
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}
