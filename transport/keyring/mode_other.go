//go:build !unix

package keyring

import "io/fs"

// othersCanRead knows nothing of systems whose permissions are not in the mode.
func othersCanRead(fs.FileInfo) bool { return false }
