// Package web holds the pages people browse recordings with.
//
// Start with [New], which returns a handler over one file of recordings, and [Server.Serve], which answers requests on a
// listener with bounded sizes and times. Every page is rendered here, works without scripts, and has a twin with the same
// content under the same address with ".json" behind its path.
//
// Whatever a recording holds (names, values, output, source) is hostile text: it reaches a page through html/template
// only, with what cannot be seen made visible. No request may scan a run: pages go on where a key says, searches stop
// after a stated number of events and say so.
//
// The package must not know how recordings are captured or stored, and changes nothing but to delete a run.
package web
