//go:build linux && amd64

package tracer

import (
	"smiley/recording"
	"smiley/tracer/probe/ring"
)

// Most calls of a function look like one before: the same pointers are nil, strings are as long, interfaces hold the same types. Their
// records are made by a template, without finding and walking the copies.

const (
	maxTemplates     = 4        // of one site
	maxTemplateBytes = 32 << 20 // of all sites
	// A first template is made when so many records of a site were seen, another one when at least templateEvery matched none.
	firstTemplate   = 32
	templateEvery   = 256
	templateSeldom  = 1 << 20
	templateHitsMin = 4 // a template is of use when at least one in so many records matches
)

// templates are those of the records of one site. Its zero value has none.
type templates struct {
	list   []template // the one that matched last is the first
	hits   uint32     // since a template was last made
	misses uint32
	wait   uint32 // how many misses there are until one is made; 0: firstTemplate
}

// template is that of records with so many copies.
type template struct {
	*recording.Template
	copies int
}

// match returns the template that a record matches, of nil when there is none.
func (t *templates) match(data []byte) template {
	for i, known := range t.list {
		if known.Matches(data) {
			t.hits++
			t.list[0], t.list[i] = known, t.list[0]
			return known
		}
	}
	t.misses++
	return template{}
}

// templateOf returns the template that a record of a site matches, nil when there is none.
func (p *probes) templateOf(site uint32, data []byte) *recording.Template {
	if int(site) >= len(p.handlers) {
		return nil
	}
	h := p.handler(site)
	known := h.match(data)
	h.copied += uint64(known.copies)
	if known.Template != nil && p.opt.templated != nil {
		p.opt.templated()
	}
	return known.Template
}

// wantsTemplate reports whether a template is to be made of a record that matches none. It does so ever more seldom at sites where
// templates are of little use, and these are given up.
func (p *probes) wantsTemplate(t *templates) bool {
	if t.misses < max(t.wait, firstTemplate) && (p.opt.templated == nil || t.misses == 0) {
		return false
	}
	if t.hits < t.misses/templateHitsMin && p.opt.templated == nil {
		for _, known := range t.list {
			p.templateBytes -= known.Size()
		}
		t.list = nil
		t.wait = min(2*max(t.wait, templateEvery), templateSeldom)
	} else {
		t.wait = templateEvery
	}
	t.hits, t.misses = 0, 0
	return true
}

// makeTemplate makes a template of the record that the memory was loaded with, if it can be made, and puts it first.
func (p *probes) makeTemplate(h *recordHandler, rec *ring.Record) {
	outline := h.capture.outline
	if outline == nil || len(rec.Faults) > 0 || len(rec.Unknown) > 0 {
		return
	}
	// How many bytes the copies take, and of each what it is and how long.
	decisive := append(p.decisive[:0], int32(len(rec.Words)))
	for _, item := range rec.Items {
		decisive = append(decisive, item.At-8)
	}
	p.decisive = decisive
	made, ok := p.capturer.Template(outline, rec.Data, decisive)
	if !ok || p.templateBytes+made.Size() > maxTemplateBytes {
		return
	}
	p.templateBytes += made.Size()
	if len(h.list) < maxTemplates {
		h.list = append(h.list, template{})
	} else {
		p.templateBytes -= h.list[maxTemplates-1].Size()
	}
	copy(h.list[1:], h.list)
	h.list[0] = template{made, len(rec.Items)}
}
