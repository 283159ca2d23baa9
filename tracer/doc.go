// Package tracer runs Go programs under observation and turns their calls into recorded events.
//
// Start with [Run], which starts a program, or [Attach], which takes one that runs. What they know of a binary comes from
// [OpenProgram]: [Program.Functions] lists what could be traced, [Program.Plan] says for one function where to stop and
// where its values lie, and a [recording.Capturer] fed with the roots of a plan copies them.
//
// The package is the only one that imports Delve. It must not know how blocks travel or who keeps them.
package tracer
