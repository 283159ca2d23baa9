// Package tools pins the versions of the checkers that `make test` runs. It is a module of its own so that none of them
// enters the requirements of smiley itself.
package tools
