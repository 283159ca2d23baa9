//go:build linux && amd64

package tracer

import (
	"smiley/tracer/debuginfo"
	"smiley/tracer/probe/install"
)

// runtime says where the program's runtime keeps what probes need.
func (p *Program) runtime() (*install.Runtime, error) {
	var info *debuginfo.Data
	if p.debug != nil {
		info = p.debug.data
	}
	return install.RuntimeOf(info, p.info.GoVersion)
}
