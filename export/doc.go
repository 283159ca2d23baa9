// Package export writes recordings in the formats of other tools and of people: text for terminals, profiles for pprof.
//
// Start with [NewText] for events as lines and [Profile] for a profile. Everything that a recorded program chose itself
// (its name, arguments, values, output) passes [Escape] before it reaches a terminal.
//
// The package must not know where its output goes: it writes to what it is given and decides about colours only as told.
package export
