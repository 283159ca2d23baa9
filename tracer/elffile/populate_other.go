//go:build unix && !linux

package elffile

const populate = 0
