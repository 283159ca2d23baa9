// Package routine generates the code at the other end of a probe's jump: routines that write records into rings, the slow
// path they share, and the shim that stands before the Go runtime's signal handler.
//
// Start with [NewGenerator], add sites with [Generator.Add], end with [Generator.Finish]. The package writes bytes for addresses it
// is told; it never touches a process. What keeps the generated code safe is written at each part: registers in
// routine.go, signals in shim.go, full rings in slow.go.
package routine
