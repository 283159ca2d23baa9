// Package tracer runs Go programs under observation and turns their calls into recorded events.
//
// Start with [OpenProgram]: it reads what a binary says about itself. [Program.Functions] lists what could be traced,
// [Program.Plan] says for one function where to stop and where its values lie, and a [recording.Capturer] fed with the
// roots of a plan copies them.
//
// The package is the only one that imports Delve. It must not know how blocks travel or who keeps them.
package tracer
