// Package install puts probes into a program and takes them out.
//
// Start with [Launch]. It returns when the program runs free, with nobody tracing it; what its threads record is read
// from [Process.Reader].
package install
