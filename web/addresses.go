package web

import "net/http"

// Address is an address that the server answers. Those with JSON also answer with ".json" behind their path.
type Address struct {
	Method     string
	Path       string // as net/http writes patterns: "/runs/{run}/call/{call}"
	About      string // what is there
	Parameters []Parameter
	JSON       string // what its JSON holds, in Markdown; "" when it has none

	view   view                           // of a page
	bare   bool                           // the page needs no recordings
	handle func(*Server) http.HandlerFunc // of anything else
}

// Parameter is what an address understands behind its question mark.
type Parameter struct{ Name, About string }

// Parameters that several addresses share.
var (
	sizeParameter  = Parameter{"n", "how many at most"}
	afterParameter = Parameter{"after", "go on behind this one; a page's link and its JSON's `after` say which"}
	readParameter  = Parameter{"read", "`no`: answer with what was read of the run before, and stop reading unless somebody else wants it"}
)

// FocusParameters are understood by all pages of a run, and carried from one to the next.
func FocusParameters() []Parameter {
	return []Parameter{
		{"at", "the call in focus, by the `seq` of its event"},
		{"g", "a goroutine's number: nothing of others is shown in the details and the call tree"},
		{"f", "a filter: words that must all hold. The details show nothing else; the time line dims all else; the statistics show functions whose names hold its words"},
	}
}

// Addresses returns all addresses that a server answers, in the order in which they are documented.
func Addresses() []Address {
	const ofRun = "/runs/{run}"
	pages := []Address{
		{
			Path: "/", About: "the runs, the newest first; its JSON is at `/runs.json`", view: runsView,
			Parameters: []Parameter{
				{"q", "words in the program, its arguments or the run's id"},
				{"program", "the last part of the program's path"},
				{"status", "`ok`, `failed`, `live` or `broken` (interrupted)"},
				{"before", "runs that began before this one"},
				sizeParameter,
			},
			JSON: "`runs`: array of [runs](json.md#run); `before`: id to go on from, missing at the end",
		},
		{
			Path: "/compare", About: "two runs side by side", view: compareView,
			Parameters: []Parameter{{"run", "a run; there are two of these"}},
			JSON:       "`runs`: array of the two [runs](json.md#run)",
		},
		{
			Path: "/help", About: "keys, filters, versions, and where the recordings are", view: helpView, bare: true,
			JSON: "`database`: the file; `versions`: object of versions by name",
		},
		{Path: ofRun, About: "one run summed up", view: runView, JSON: "a [run](json.md#run)"},
		{
			Path: ofRun + "/events", About: "what happened, in order", view: eventsView,
			Parameters: []Parameter{
				{"from", "begin at the event with this `seq`"},
				{"before", "end before the event with this `seq`"},
				{"t", "begin at this time since the run's start, as in `1.5s`"},
				{"only", "`errors`, `panics`, `output` or nothing: with `function`, `over` and `depth`, a filter in parts, as the page's form sends it; it leads to the address with `f`"},
				sizeParameter,
			},
			JSON: "`run`: id; `events`: array of [events](json.md#event); `next`: seq to go on from, missing at the run's end; " +
				"`complete`: false when a search was stopped at `next` before the page was full; `from`: seq at which the page begins, or that a search with " +
				"`before` came to",
		},
		{
			Path: ofRun + "/tree", About: "the calls of a goroutine as a tree, opened at the call in focus", view: treeView,
			Parameters: []Parameter{
				afterParameter, sizeParameter,
				{"before", "the last calls of the list, before the event with this `seq`, which may be any; `last`: those at its end"},
				{"path", "`no`: the JSON leaves the callers out"},
				{"short", "`1`: the JSON has names and values as rows show them: not longer, and nothing in them is unseen"},
				{"open", "for scripts: calls that are open, as numbers with commas between"},
				{"fold", "for scripts: `1` shows recursive calls as one line"},
			},
			JSON: "`run`: id; `goroutine`: number; `path`: array of [calls](json.md#event), the callers of the one in focus, the outermost " +
				"first, and itself; `calls`: array of its children, or of the goroutine's outermost calls, each call with the `end_seq` of the event " +
				"that ended it; `after`: seq to go on behind; `before`: seq to go on before, with the parameter",
		},
		{
			Path: ofRun + "/call/{call}", About: "one call with everything that is known of it", view: callView,
			Parameters: []Parameter{afterParameter},
			JSON: "`run`: id; `call`: a [call](json.md#event) with its results; `args`, `results`: arrays of values as trees, `results` null when " +
				"it did not return; `stack`: array of callers, the innermost first; `children`: array of the calls it made; `after`: seq to go on behind",
		},
		{
			Path: ofRun + "/statistics", About: "calls, errors, panics and times by function", view: statisticsView,
			Parameters: []Parameter{{"sort", "as `smiley stats show --sort`"}, {"skip", "leave so many of the first functions out of the page; its JSON has all"}},
			JSON:       "`run`: id; `sort`: the order; `functions`: array of [statistics](json.md#statistics)",
		},
		{
			Path: ofRun + "/function/{function}", About: "one function: its figures, callers and callees", view: functionView,
			JSON: "`run`: id; `function`, `package`: names; `statistics`: its [statistics](json.md#statistics), null when it was never called; " +
				"`edges`: array of `caller`, `callee`, `calls` and `total_ns`; the caller is empty where none was recorded",
		},
		{
			Path: ofRun + "/graph", About: "who calls whom", view: graphView,
			Parameters: []Parameter{{"by", "`function` or `package`"}, sizeParameter},
			JSON:       "`run`: id; `by`: like the parameter; `nodes`: how many there are; `edges`: array of `caller`, `callee`, `calls` and `total_ns`",
		},
		{
			Path: ofRun + "/flame", About: "the calls of all goroutines merged by their stacks; with a call in focus, those of its stack", view: flameView,
			Parameters: []Parameter{
				{"weight", "`time` or `calls`"},
				{"stack", "draw what this stack called: numbers of functions with points between them, the outermost first"},
				{"function", "draw what this function called, wherever it was called itself; `stack` begins with it then"},
				{"inverted", "`1`: who called, by time in the function itself; `stack` goes from the innermost function outwards"},
				{"q", "mark functions, and say how much of what is drawn holds one"},
				{"whole", "`1`: the whole run, although a call is in focus"},
				{"levels", "how many levels at most"},
				sizeParameter, readParameter,
			},
			JSON: "`run`: id; `weight`, `inverted`: like the parameters; `path`: array of `id` and `function`, the stack in focus; `short`: how many functions at the end of the one asked for are missing, because it was cut; `stack`: a tree of " +
				"`id`, `function`, `calls`, `open` (those that had not ended), `total_ns`, `self_ns`, `within` (calls of it and of all below), `cut_calls` " +
				"and `cut_ns` (below it, beyond a bound), `hidden` (stacks left out below it), `longest_call` (a seq) and `children`, the heaviest first; " +
				"`hidden`, `cut_calls`, `cut_ns`: their sums; `matched`: `calls` and `total_ns` of what `q` found; `partial`: whether the run goes on " +
				"behind the event `through`, because it is still being read: ask again",
		},
		{
			Path: ofRun + "/timeline", About: "goroutines side by side over a stretch of the run's time", view: timelineView,
			Parameters: []Parameter{
				{"from", "the stretch begins here: a time since the run's start, as in `1.5s`, or nanoseconds"},
				{"to", "and ends here; without both, the stretch is that of the call in focus, or the run from its first call on"},
				{"goroutines", "which: numbers, or names of functions that they began with"},
				{"plain", "1: as a drawing and tables that need no script"},
				{"px", "how many parts of the stretch can be told apart; calls that are shorter become entries of `dense`"},
				afterParameter, sizeParameter, readParameter,
			},
			JSON: "`run`: id; `from_ns`, `to_ns`: the stretch; `whole_ns`: the run's; `complete`: false when that is too much to look at call by " +
				"call, then there are only long calls, and no counts and marks but `buckets` of `bucket_ns` each, `partial` when the run is still being counted; `narrowest_ns`: shorter calls are in `dense`; `filter`: the one that was asked for, and what it does not choose is `other`; `functions`: object " +
				"of `name`, `short` and `tone` by number; `program`: array of marks of no goroutine; `tracks`: array of [`goroutine`](json.md#goroutine), " +
				"`function_id`, `counts`, `calls` (as [events](json.md#event), with `end_ns`), `dense` (a `depth`, `from_ns`, `to_ns`, and how many " +
				"`calls`, `errors` and `panics`, and with a filter `chosen` ones) and `marks` (an `event`, its `seq`, `call` and `time_ns`, and the `count` and `last_ns` of those " +
				"alike and too close to be told apart); `after`: number to go on behind",
		},
		{
			Path: ofRun + "/goroutines", About: "the goroutines, by number", view: goroutinesView,
			Parameters: []Parameter{afterParameter, sizeParameter},
			JSON:       "`run`: id; `goroutines`: array of [goroutines](json.md#goroutine); `after`: number to go on behind, 0 at the end",
		},
		{
			Path: ofRun + "/files", About: "the source files, with how much of each was reached", view: filesView,
			JSON: "`run`: id; `files`: array of [files](json.md#file), each with its `id`, its `functions`, those `reached`, those that could not be traced (`untraced`), and their `calls`",
		},
		{
			Path: ofRun + "/files/{file}", About: "a source file as it was when the program ran", view: fileView,
			Parameters: []Parameter{{"line", "of a long file, show the part that this line is in; without it, the part with the function of the call in focus. The JSON has all of the file"}},
			JSON: "`run`: id; `id`, `name`: of the file; `missing`: why there is no source; `source`: its text; `functions`: array of `line`, " +
				"`function` and `calls`",
		},
		{
			Path: ofRun + "/losses", About: "the loss ledger: what the recording lacks, and why", view: lossesView,
			JSON: "`run`: id; `loss`: the [ledger](json.md#loss); `untraced`: array of [functions](json.md#untraced)",
		},
		{
			Path: ofRun + "/go", About: "a step to another call: leads to a view with that in focus", view: goView,
			Parameters: []Parameter{
				{"to", "`next`, `previous`: call of the same function; `before`, `after`: call by the same caller; `into`, `out`: its first call, its caller; `error`, `panic`: the next one; `typical`: a call of the function that took about as long as half of them at most"},
				{"from", "for `error` and `panic`: search from the event with this `seq` on"},
				{"before", "for `error` and `panic`: the last one before the event with this `seq`"},
				{"function", "for `typical`: the function's number"},
				{"view", "the view to show it in; `call` when missing"},
			},
			JSON: "`call`: seq of the call that the step leads to; `event`: that of the error or panic",
		},
	}
	for i := range pages {
		pages[i].Method = http.MethodGet
	}
	handler := func(h func(*Server, http.ResponseWriter, *http.Request)) func(*Server) http.HandlerFunc {
		return func(s *Server) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { h(s, w, r) }
		}
	}
	form := []Parameter{{"token", "in the body: the one that our pages carry in their forms"}}
	return append(
		pages,
		Address{
			Method: http.MethodPost, Path: ofRun + "/delete", About: "delete a run; it can be restored for a minute", Parameters: form,
			handle: handler((*Server).deleteRun),
		},
		Address{
			Method: http.MethodPost, Path: ofRun + "/restore", About: "bring a run back that was deleted a moment ago", Parameters: form,
			handle: handler((*Server).restoreRun),
		},
		Address{
			Method: http.MethodGet, Path: "/live", About: "server-sent events: `change` when there is something new, `end` when there will be no more",
			Parameters: []Parameter{{"run", "watch this run; without it, the list of runs"}}, handle: handler((*Server).live),
		},
		Address{
			Method: http.MethodGet, Path: "/static/{name}", About: "scripts, styles and pictures of the pages", handle: handler((*Server).static),
			Parameters: []Parameter{{"v", "a fingerprint of the content; with it, browsers may keep the file"}},
		},
	)
}
