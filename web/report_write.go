package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"html/template"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"smiley/recording"
)

// write makes the pages lead to each other and puts them where they belong.
func (r *report) write(ctx context.Context, output string) error {
	if r.options.SingleFile {
		return r.writeFile(ctx, output)
	}
	for _, p := range r.order {
		if ctx.Err() != nil {
			return recording.Errorf(recording.CodeCanceled, "the report was stopped").WithHint("nothing was left behind")
		}
		root, err := r.read(p)
		if err != nil {
			return err
		}
		if err := r.lead(ctx, root, p, pageAddress); err != nil {
			return err
		}
		var body bytes.Buffer
		if err := html.Render(&body, root); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.folder, p.name+".html"), body.Bytes(), 0o600); err != nil {
			return cannotWrite(output, err)
		}
	}
	for name := range r.server.assets {
		if serverScript("/static/" + name) { // there is no server to ask
			continue
		}
		if err := os.WriteFile(filepath.Join(r.folder, name), r.server.assets[name].body, 0o600); err != nil {
			return cannotWrite(output, err)
		}
	}
	data, err := r.treeCalls(ctx, func(name string) string { return pageAddress(name, "") })
	if err != nil {
		return err
	}
	// A script, because pages from a disk may load those and no data.
	data = append(append([]byte("window.smileyCalls = "), data...), ";\n"...)
	if err := os.WriteFile(filepath.Join(r.folder, "calls.js"), data, 0o600); err != nil {
		return cannotWrite(output, err)
	}
	return r.install(r.folder, output)
}

// pageAddress is the address of a page of a folder.
func pageAddress(name, fragment string) string {
	address := url.URL{Path: name + ".html", Fragment: fragment}
	return address.String()
}

// install moves what was made to where the person wants it.
func (r *report) install(made, output string) error {
	if r.options.Replace {
		if err := os.RemoveAll(output); err != nil {
			return cannotWrite(output, err)
		}
	}
	if err := os.Rename(made, output); err != nil {
		return cannotWrite(output, err)
	}
	return nil
}

// read parses a page that was gathered.
func (r *report) read(p *reportPage) (*html.Node, error) {
	body, err := os.ReadFile(filepath.Join(r.folder, p.name+".html"))
	if err != nil {
		return nil, cannotWrite(r.folder, err)
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if p.key == "" {
		err = r.introduce(root)
	}
	return root, err
}

// lead rewrites a page for a life without its server: links lead to the report's pages or nowhere, what only a server can
// do is gone.
func (r *report) lead(ctx context.Context, root *html.Node, p *reportPage, to func(name, fragment string) string) error {
	var gone, islands, scripts []*html.Node
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if attribute(n, "data-island") != "" {
			islands = append(islands, n)
		}
		switch {
		case n.Data == "script" && serverScript(attribute(n, "src")), n.Data == "form", hasClass(n, "online"), hasClass(n, "tools"), hasClass(n, "focus") && n.Data == "div":
			gone = append(gone, n)
		case n.Data == "main":
			n.Attr = slices.DeleteFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "data-live" })
		case n.Data == "a":
			r.leadLink(n, p, to)
		case n.Data == "link" || n.Data == "script" || n.Data == "img":
			for i := range n.Attr {
				if name, ok := assetName(n.Attr[i].Val); ok && (n.Attr[i].Key == "href" || n.Attr[i].Key == "src") {
					n.Attr[i].Val = name
					if name == "islands.js" {
						scripts = append(scripts, n)
					}
				}
			}
		}
	}
	for _, n := range gone {
		if n.Parent != nil {
			n.Parent.RemoveChild(n)
		}
	}
	for _, n := range islands {
		if err := r.island(ctx, n, p); err != nil {
			return err
		}
	}
	for _, n := range scripts {
		n.Parent.InsertBefore(&html.Node{
			Type: html.ElementNode, Data: "script", Attr: []html.Attribute{{Key: "src", Val: "calls.js"}, {Key: "defer"}},
		}, n)
	}
	return nil
}

// serverScript reports whether a script is of no use without a server.
func serverScript(address string) bool {
	name, _ := assetName(address)
	return name == "live.js" || name == "search.js"
}

func (r *report) leadLink(n *html.Node, p *reportPage, to func(name, fragment string) string) {
	href := attribute(n, "href")
	if fragment, ok := strings.CutPrefix(href, "#"); ok {
		setAttribute(n, "href", to(p.name, fragment))
		return
	}
	name, fragment, ok := r.target(href)
	if href == "/" {
		name, fragment, ok = "index", "", true
	}
	if ok {
		setAttribute(n, "href", to(name, fragment))
		return
	}
	n.Attr = slices.DeleteFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "href" || a.Key == "data-key" })
	if attribute(n, "title") == "" {
		setAttribute(n, "title", "not in this report")
	}
}

// assetName is the name of the file that an address of the server's own files leads to.
func assetName(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(u.Path, "/static/")
}

// introduction stands above a report's first page, whose own heading is the command.
var introduction = template.Must(template.New("introduction").Parse(`<section class="report" aria-label="About this report">{{with .Title}}<h1><bdi>{{.}}</bdi></h1>{{end}}
<p class="dim">A report of one recorded run. {{if .LeftOut}}It does not hold all of it; links to what is missing lead nowhere:{{else}}It holds all of it.{{end}}</p>
{{if .LeftOut}}<ul>{{range .LeftOut}}<li>{{.}}</li>{{end}}</ul>{{end}}</section>`))

// introduce puts the introduction on the first page.
func (r *report) introduce(root *html.Node) error {
	var text bytes.Buffer
	if err := introduction.Execute(&text, map[string]any{"Title": r.options.Title, "LeftOut": r.leftOut()}); err != nil {
		return err
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "main" {
			continue
		}
		nodes, err := html.ParseFragment(&text, &html.Node{Type: html.ElementNode, Data: "main", DataAtom: atom.Main})
		if err != nil {
			return err
		}
		first := n.FirstChild
		for _, node := range nodes {
			n.InsertBefore(node, first)
		}
		return nil
	}
	return errors.New("the first page has no content")
}

// singleFile is the frame of a report in one file. One page is seen at a time: the one that the address names, or that
// holds what it names.
var singleFile = template.Must(template.New("single").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src {{.Script}}; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>{{.Title}}</title><style>{{.Style}}
.report-page { display: none }
.report-page:target, .report-page:has(:target), body:not(:has(:target)) > #index { display: block }
</style></head><body>
`))

// writeFile makes one file of all pages.
func (r *report) writeFile(ctx context.Context, output string) (err error) {
	name := filepath.Join(r.folder, "report")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return cannotWrite(output, err)
	}
	w := bufio.NewWriterSize(file, 1<<20)
	err = r.writeSections(ctx, w)
	if err = errors.Join(err, w.Flush(), file.Close()); err != nil {
		return err
	}
	return r.install(name, output)
}

func (r *report) writeSections(ctx context.Context, w io.Writer) error {
	script := r.server.assets["islands.js"].body
	style := template.CSS(r.server.assets["smiley.css"].body)
	if err := singleFile.Execute(w, map[string]any{"Title": r.title(), "Style": style, "Script": scriptHash(script)}); err != nil {
		return err
	}
	for _, p := range r.order {
		if ctx.Err() != nil {
			return recording.Errorf(recording.CodeCanceled, "the report was stopped").WithHint("nothing was left behind")
		}
		root, err := r.read(p)
		if err != nil {
			return err
		}
		if err := r.lead(ctx, root, p, sectionAddress); err != nil {
			return err
		}
		section := r.section(root, p)
		if err := html.Render(w, section); err != nil {
			return err
		}
	}
	data, err := r.treeCalls(ctx, func(name string) string { return sectionAddress(name, "") })
	if err != nil {
		return err
	}
	if err := html.Render(w, dataElement("smiley-calls", data)); err != nil {
		return err
	}
	// As it is, for its hash is in the page's policy.
	_, err = io.WriteString(w, "\n<script>"+string(script)+"</script>\n</body></html>\n")
	return err
}

// sectionAddress is the address of a page within a single file.
func sectionAddress(name, fragment string) string {
	if fragment == "" {
		return "#" + name
	}
	return "#" + name + "." + fragment
}

// section makes a part of a larger page out of a page.
func (r *report) section(root *html.Node, p *reportPage) *html.Node {
	section := &html.Node{
		Type: html.ElementNode, Data: "section", DataAtom: atom.Section,
		Attr: []html.Attribute{{Key: "class", Val: "report-page"}, {Key: "id", Val: p.name}},
	}
	var body *html.Node
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "body" {
			body = n
		}
		for i := range n.Attr {
			switch a := &n.Attr[i]; a.Key {
			case "id", "for", "aria-labelledby", "aria-describedby", "aria-controls":
				a.Val = p.name + "." + a.Val
			case "src":
				if asset, ok := r.server.assets[a.Val]; ok {
					a.Val = "data:" + asset.kind + ";base64," + base64.StdEncoding.EncodeToString(asset.body)
				}
			}
		}
	}
	for body != nil && body.FirstChild != nil {
		child := body.FirstChild
		body.RemoveChild(child)
		section.AppendChild(child)
	}
	return section
}

func attribute(n *html.Node, name string) string {
	for i := range n.Attr {
		if n.Attr[i].Key == name {
			return n.Attr[i].Val
		}
	}
	return ""
}

func setAttribute(n *html.Node, name, value string) {
	for i := range n.Attr {
		if n.Attr[i].Key == name {
			n.Attr[i].Val = value
			return
		}
	}
	n.Attr = append(n.Attr, html.Attribute{Key: name, Val: value})
}

func hasClass(n *html.Node, name string) bool {
	return slices.Contains(strings.Fields(attribute(n, "class")), name)
}
