package web

import (
	"fmt"
	"net/url"
	"strconv"

	"smiley/export"
	"smiley/recording"
)

// focus is what all views of a run share: a moment, a goroutine and a filter. It is in every address, so that any view is
// a link and going back works.
type focus struct {
	At        uint64 // seq of a call; 0: none
	Goroutine int64  // 0: all
	Filter    string // see filter.go
}

func parseFocus(query url.Values) (focus, error) {
	var f focus
	var err error
	if f.At, err = parseSeq(query, "at"); err != nil {
		return f, err
	}
	if text := query.Get("g"); text != "" {
		f.Goroutine, err = strconv.ParseInt(text, 10, 64)
		if err != nil || f.Goroutine < 0 {
			return f, recording.Errorf(recording.CodeInvalid, "%q is not the number of a goroutine", shorten(text, 40)).
				WithHint("the goroutines page lists them")
		}
	}
	f.Filter = query.Get("f")
	if export.Escape(f.Filter) != f.Filter {
		return f, recording.Errorf(recording.CodeInvalid, "the filter holds characters that cannot be seen").WithHint("a filter is " + filterHint)
	}
	return f, nil
}

// parseSeq reads a parameter that names an event; 0 when it is not there.
func parseSeq(query url.Values, name string) (uint64, error) {
	text := query.Get(name)
	if text == "" {
		return 0, nil
	}
	seq, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, recording.Errorf(recording.CodeInvalid, "%s=%s is not the number of an event", name, shorten(text, 40)).
			WithHint("follow a link of the page instead of editing its address")
	}
	return seq, nil
}

// parseSize reads a parameter that bounds a page.
func parseSize(query url.Values, name string, normal, most int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return normal, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, recording.Errorf(recording.CodeInvalid, "%s=%s is not a number from 1 to %d", name, shorten(text, 40), most).
			WithHint("leave it out for %d", normal)
	}
	return n, nil
}

// links makes the addresses of a run's views. They carry the focus.
type links struct {
	run   string // full id
	focus focus
}

// to returns the address of a view. extra are names and values of further parameters; a value that is empty or zero is left
// out, and so takes a part of the focus away.
func (l links) to(view string, extra ...any) string {
	query := url.Values{}
	set := func(name string, value any) {
		text := fmt.Sprint(value)
		query.Del(name)
		if text != "" && text != "0" {
			query.Set(name, text)
		}
	}
	set("at", l.focus.At)
	set("g", l.focus.Goroutine)
	set("f", l.focus.Filter)
	for i := 0; i+1 < len(extra); i += 2 {
		set(extra[i].(string), extra[i+1])
	}
	address := "/runs/" + l.run
	if view != "" {
		address += "/" + view
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}

// call returns the address of a call's own page.
func (l links) call(seq uint64) string {
	if seq == 0 {
		return ""
	}
	return l.to("call/"+strconv.FormatUint(seq, 10), "at", 0)
}

// function returns the address of a function's page.
func (l links) function(id recording.FunctionID) string {
	if id == 0 {
		return ""
	}
	return l.to("function/" + strconv.FormatUint(uint64(id), 10))
}

// source returns the address of a line of a file.
func (l links) source(file recording.FileID, line int) string {
	if file == 0 {
		return ""
	}
	address := l.to("files/"+strconv.FormatUint(uint64(file), 10), "line", max(0, line))
	if line > 0 {
		address += "#L" + strconv.Itoa(line) // and the line within the part of the file that the page shows
	}
	return address
}
