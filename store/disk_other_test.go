//go:build !linux

package store

import (
	"errors"
	"testing"
)

func limitedDisk(t *testing.T) smallDisk {
	return limitDatabase(t, errors.New("only done on Linux"))
}

func makeReadOnly(t *testing.T, dir string) { forbid(t, dir) }
