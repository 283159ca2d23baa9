package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed templates static dist
var embedded embed.FS

// routes makes the server answer its addresses.
func (s *Server) routes() {
	for _, a := range Addresses() {
		pattern := a.Method + " " + a.Path
		switch {
		case a.Path == "/":
			s.mux.HandleFunc(pattern+"{$}", s.global(a.view))
		case a.handle != nil:
			s.mux.HandleFunc(pattern, a.handle(s))
		case a.bare:
			s.mux.HandleFunc(pattern, s.bare(a.view))
		case strings.HasPrefix(a.Path, "/runs/{run}"):
			s.mux.HandleFunc(pattern, s.ofRun(a.view))
		default:
			s.mux.HandleFunc(pattern, s.global(a.view))
		}
	}
}

// asset is a file that pages refer to. Its address changes with its content, so that browsers may keep it.
type asset struct {
	body    []byte
	kind    string
	address string
}

func readAssets() map[string]asset {
	assets := map[string]asset{}
	files, err := fs.Glob(embedded, "static/*")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, file := range append(files, "dist/islands.js") {
		body, err := embedded.ReadFile(file)
		if err != nil {
			panic(err) // embedded at build time
		}
		name := path.Base(file)
		sum := sha256.Sum256(body)
		kind := mime.TypeByExtension(path.Ext(name))
		switch path.Ext(name) { // some systems' tables of types are wrong
		case ".js":
			kind = "text/javascript; charset=utf-8"
		case ".css":
			kind = "text/css; charset=utf-8"
		case ".svg":
			kind = "image/svg+xml"
		}
		assets[name] = asset{body, kind, "/static/" + name + "?v=" + hex.EncodeToString(sum[:6])}
	}
	return assets
}

func (s *Server) static(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("name")]
	if !ok {
		s.nowhere(w, r, nil)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	if r.URL.Query().Has("v") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.body) // a reader that has gone misses nothing
}

// parseTemplates reads the pages. Each is the layout with its own content, and may use all of parts.html.
func parseTemplates() map[string]*template.Template {
	assets := readAssets()
	functions := template.FuncMap{
		"asset":   func(name string) string { return assets[name].address },
		"noun":    noun,
		"indents": func(n int) []struct{} { return make([]struct{}, max(0, n)) },
	}
	shared := template.Must(template.New("layout.html").Funcs(functions).
		ParseFS(embedded, "templates/layout.html", "templates/parts.html"))
	names, err := fs.Glob(embedded, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "layout" || base == "parts" {
			continue
		}
		pages[base] = template.Must(template.Must(shared.Clone()).ParseFS(embedded, name))
	}
	return pages
}

type helpContent struct {
	File     string
	Versions [][2]string
	ReadOnly bool
	Filters  []filterWord
}

// helpView says how to use the pages, and where the recordings are.
func helpView(q *request) (*page, error) {
	c := &helpContent{File: shown(q.server.database.file, 400), Versions: q.server.Versions, ReadOnly: q.server.ReadOnly, Filters: filterWords}
	versions := map[string]string{}
	for _, v := range c.Versions {
		versions[v[0]] = v[1]
	}
	return &page{
		Template: "help", Title: "Help", Content: c, JSON: map[string]any{"database": q.server.database.file, "versions": versions},
	}, nil
}
