package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"smiley/store"
	"smiley/web/webtest"
)

var update = flag.Bool("update", false, "renew docs/reference/urls.md")

// TestAddressesAreFresh makes docs/reference/urls.md from the addresses and compares it with the file.
func TestAddressesAreFresh(t *testing.T) {
	var page bytes.Buffer
	page.WriteString(`# Addresses

What ` + "`smiley server`" + ` answers. This page is made from the server's addresses by ` + "`make docs`" + `; a test fails when it is stale.

Every page answers with the same content as JSON when ` + "`.json`" + ` stands behind its path, as in ` + "`/runs/last/statistics.json?sort=calls`" + `. A run is
named by its id, the beginning of its id, or ` + "`last`" + `; pages lead on to the address with the full id. The rules of [JSON](json.md) hold here too:
fields are added, none is renamed or removed, times named ` + "`…_ns`" + ` are whole nanoseconds, and ` + "`null`" + ` means *unknown*. What goes wrong is answered with
` + "`{\"error\": {\"code\": …, \"message\": …, \"hint\": …}}`" + ` and a status of 400 or above.

All pages of a run carry the focus, so that any view is a link:

`)
	parameters := func(list []Parameter) {
		page.WriteString("| parameter | |\n|---|---|\n")
		for _, p := range list {
			fmt.Fprintf(&page, "| `%s` | %s |\n", p.Name, p.About)
		}
	}
	parameters(FocusParameters())
	page.WriteString("\nWords of a filter:\n\n| word | chooses |\n|---|---|\n")
	for _, w := range filterWords {
		fmt.Fprintf(&page, "| `%s` | %s |\n", w.Example, w.About)
	}
	for _, a := range Addresses() {
		fmt.Fprintf(&page, "\n## %s %s\n\n%s.\n", a.Method, a.Path, upper(a.About))
		if len(a.Parameters) > 0 {
			page.WriteString("\n")
			parameters(a.Parameters)
		}
		if a.JSON != "" {
			fmt.Fprintf(&page, "\nJSON: %s.\n", a.JSON)
		}
	}
	const file = "../docs/reference/urls.md"
	if *update {
		check(t, os.WriteFile(file, page.Bytes(), 0o644))
	}
	got, err := os.ReadFile(file)
	check(t, err)
	if !bytes.Equal(got, page.Bytes()) {
		t.Errorf("%s is stale: run make docs", file)
	}
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// TestAddressesAnswer asks for every page and its JSON, friendly and hostile, without any script: it answers, and what the
// reference says of its JSON names all of it.
func TestAddressesAnswer(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	db, err := store.Open(t.Context(), file)
	check(t, err)
	runs[1] = webtest.Record(t, db, &webtest.Endless, 3, 12, true)
	check(t, db.Close())
	s := newSite(t, file, Options{})
	for _, run := range runs {
		for _, a := range Addresses() {
			if a.view == nil {
				continue
			}
			address := strings.NewReplacer("{run}", run.ID.String(), "{call}", "5", "{function}", "2", "{file}", "1").Replace(a.Path)
			if strings.HasSuffix(a.Path, "/go") {
				address += "?to=next&at=5"
			}
			if a.Path == "/compare" {
				address += "?run=" + run.ID.String() + "&run=last"
			}
			w := s.get(address)
			if strings.HasSuffix(a.Path, "/go") != (w.Code == http.StatusSeeOther) || w.Code >= http.StatusBadRequest {
				t.Errorf("%s: %d %s", address, w.Code, w.Body)
			}
			if w.Code == http.StatusOK {
				checkPage(t, address, w.Body.String())
			}
			path, query, _ := strings.Cut(address, "?")
			if path == "/" {
				path = "/runs"
			}
			var fields map[string]json.RawMessage
			s.ask(path+".json?"+query, &fields)
			if len(fields) == 0 || a.About == "" {
				t.Errorf("%s: %d fields, about %q", address, len(fields), a.About)
			}
			if strings.HasPrefix(a.JSON, "a [run]") { // of json.md, where a test of its own compares them
				continue
			}
			for name := range fields {
				if !strings.Contains(a.JSON, "`"+name+"`") {
					t.Errorf("%s: the reference does not name the field %s", a.Path, name)
				}
			}
		}
	}
}

// TestAddressesTakeNothingElse checks that no address answers a method that it does not have.
func TestAddressesTakeNothingElse(t *testing.T) {
	file, runs := webtest.NewDatabase(t)
	s := newSite(t, file, Options{})
	for _, a := range Addresses() {
		address := strings.NewReplacer("{run}", runs[0].ID.String(), "{call}", "5", "{function}", "2", "{file}", "1", "{name}", "keys.js").Replace(a.Path)
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, "BREW"} {
			if method == a.Method {
				continue
			}
			w := s.get(address, func(r *http.Request) { r.Method = method })
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, address, w.Code)
			}
		}
	}
}
