package web

import (
	"encoding/json"
	"strconv"

	"smiley/analysis"
	"smiley/export"
	"smiley/recording"
	"smiley/store"
)

const (
	callChildren = 50
	callStackMax = 100
	valueNodes   = 4000 // parts of values on one page
)

// valueTree is a value as an expandable tree.
type valueTree struct {
	Name, Type, Text, Class string
	Note                    string // what is known to be missing
	Children                []valueTree
	Open                    bool
}

type callContent struct {
	callRow
	FullName       string
	Args, Results  []valueTree
	ArgsGo         string // to copy
	ResultsGo      string
	ArgsJSON       string
	ResultsJSON    string
	Cut            bool // what is to be copied is too long for a page
	Before, After  string
	GoroutineHref  string
	HasResults     bool
	End            string
	Stack          []callRow
	StackCut       bool
	Children       []callRow
	MoreChildren   string
	Code           []codeLine
	Details        string
	Tree           string
	Previous, Next string
	Panic          string
}

type callJSON struct {
	Run      string            `json:"run"`
	Call     analysis.Event    `json:"call"`
	Args     []recording.Value `json:"args"`
	Results  []recording.Value `json:"results"` // null when it did not return
	Stack    []analysis.Event  `json:"stack"`   // callers, the innermost first
	Children []analysis.Event  `json:"children"`
	After    uint64            `json:"after,omitempty"` // more children follow this one
}

// callView is one call with everything that is known of it.
func callView(q *request) (*page, error) {
	seq, err := parseSeq(map[string][]string{"call": {q.PathValue("call")}}, "call")
	if err != nil {
		return nil, err
	}
	data, err := q.reader.Call(q.Context(), q.info.ID, seq)
	if err != nil {
		return nil, webHints(err)
	}
	q.focus.At = seq
	q.links.focus.At = seq
	n := q.namer()
	event, err := n.callEvent(&data.Call, &recording.Event{Data: data.Args}, resultEvent(data))
	if err != nil {
		return nil, err
	}
	out := &callJSON{Run: q.links.run, Call: event, Args: []recording.Value{}}
	if f := q.names.function(data.Function); f != nil {
		out.Args = n.decoder.Values(f.Params, data.Args)
		if data.Returned {
			out.Results = n.decoder.Values(f.Results, data.Results)
		}
	}
	stack, children, err := q.around(n, data, out)
	if err != nil {
		return nil, err
	}
	p := &page{Template: "call", Title: q.names.shortName(data.Function), View: "call", JSON: out}
	if q.wantsJSON() {
		return p, nil
	}
	p.Content, err = q.callContent(data, out, stack, children)
	return p, err
}

func resultEvent(data *store.CallData) *recording.Event {
	if !data.Returned {
		return nil
	}
	return &recording.Event{Kind: recording.KindReturn, Data: data.Results}
}

// around finds the callers and the children of a call.
func (q *request) around(n *namer, data *store.CallData, out *callJSON) (stack, children []recording.Call, err error) {
	if data.Parent != 0 {
		if stack, err = q.callers(data.Parent, callStackMax); err != nil {
			return nil, nil, err
		}
	}
	for i, j := 0, len(stack)-1; i < j; i, j = i+1, j-1 {
		stack[i], stack[j] = stack[j], stack[i]
	}
	after, err := parseSeq(q.query, "after")
	if err != nil {
		return nil, nil, err
	}
	children, err = q.reader.Children(q.Context(), q.info.ID, data.Seq, after, callChildren+1)
	if err != nil {
		return nil, nil, err
	}
	if len(children) > callChildren {
		children = children[:callChildren]
		out.After = children[callChildren-1].Seq
	}
	if out.Stack, err = q.callEvents(n, stack); err != nil {
		return nil, nil, err
	}
	out.Children, err = q.callEvents(n, children)
	return stack, children, err
}

func (q *request) callContent(data *store.CallData, out *callJSON, stack, children []recording.Call) (*callContent, error) {
	l := q.links
	c := &callContent{
		callRow: q.callRow(&data.Call, &out.Call), FullName: shown(out.Call.Function, 2000),
		HasResults: data.Returned, End: "–", StackCut: len(stack) == callStackMax,
		Details: l.to("events", "g", data.Goroutine), Tree: l.to("tree"),
		Previous: l.to("go", "to", "previous"), Next: l.to("go", "to", "next"),
		Before: l.to("go", "to", "before"), After: l.to("go", "to", "after"),
		GoroutineHref: l.to("tree", "at", 0, "g", data.Goroutine),
	}
	c.copies(out)
	budget := valueNodes
	c.Args, c.Results = valueTrees(out.Args, &budget, 0), valueTrees(out.Results, &budget, 0)
	if data.End >= 0 {
		c.End = since(data.End)
	}
	for i := range stack {
		c.Stack = append(c.Stack, q.callRow(&stack[i], &out.Stack[i]))
	}
	for i := range children {
		row := q.callRow(&children[i], &out.Children[i])
		row.Share = share(duration(&children[i]), duration(&data.Call))
		c.Children = append(c.Children, row)
	}
	if out.After != 0 {
		c.MoreChildren = l.to("call/"+strconv.FormatUint(data.Seq, 10), "after", out.After)
	}
	var err error
	c.Code, err = q.excerpt(data.Function)
	return c, err
}

// copyRunes is how much a page offers to copy of a list of values. The JSON twin has all of it.
const copyRunes = 32 << 10

// copies makes what a person may want to copy.
func (c *callContent) copies(out *callJSON) {
	copied := func(text string) string {
		c.Cut = c.Cut || len(text) > copyRunes
		return shownLines(text, copyRunes)
	}
	c.ArgsGo, c.ResultsGo = copied(goSyntax(out.Args)), copied(goSyntax(out.Results))
	for values, text := range map[*[]recording.Value]*string{&out.Args: &c.ArgsJSON, &out.Results: &c.ResultsJSON} {
		if body, err := json.MarshalIndent(*values, "", "  "); err == nil {
			*text = copied(string(body))
		}
	}
}

// goSyntax is values as a person pastes them.
func goSyntax(values []recording.Value) string {
	var out []byte
	for i := range values {
		if name := shownName(values[i].Name); name != "" && name != "_" {
			out = append(append(out, name...), " := "...)
		}
		out = append(values[i].AppendGo(out), '\n')
	}
	return string(out[:max(0, len(out)-1)])
}

// valueTrees shows values as trees, as long as the budget of parts lasts.
func valueTrees(values []recording.Value, budget *int, level int) []valueTree {
	trees := make([]valueTree, 0, len(values))
	for i := range values {
		if *budget--; *budget < 0 {
			return append(trees, valueTree{Text: "…", Class: "unknown", Note: "the page ends here; its JSON has the rest"})
		}
		trees = append(trees, newValueTree(&values[i], budget, level))
	}
	return trees
}

func newValueTree(v *recording.Value, budget *int, level int) valueTree {
	text := v.String()
	t := valueTree{
		Name: shown(shownName(v.Name), 200), Type: shown(v.TypeName, 300), Text: shown(text, 8000), Class: valueClass(text),
		Note: valueNote(v), Open: level < 2,
	}
	if v.Unreadable == "" && !v.Nil {
		t.Children = valueTrees(v.Children, budget, level+1)
	}
	if len(t.Children) > 0 {
		t.Text = shown(text, 400)
	}
	return t
}

// valueNote says in words what the recording lacks of a value.
func valueNote(v *recording.Value) string {
	switch {
	case v.Unreadable != "":
		return "not known"
	case v.Cyclic:
		return "shown further up"
	case v.NotShown:
		return "what it refers to was not captured (--follow)"
	case v.Truncated && v.Kind == recording.KindString:
		return export.Plural(v.Len, "byte") + ", the rest was not captured (--string-bytes)"
	case v.Truncated:
		return export.Plural(v.Len, "element") + ", the rest was not captured (--elements)"
	case v.Kind == recording.KindSlice && !v.Nil:
		return "len " + export.Count(v.Len) + ", cap " + export.Count(v.Cap)
	}
	return ""
}
