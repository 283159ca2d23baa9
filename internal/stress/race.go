//go:build race

package stress

// Race says that the tests run under the race detector.
const Race = true
