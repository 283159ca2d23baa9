//go:build !linux

package elffile

const populate = 0
