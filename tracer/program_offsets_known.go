package tracer

// offsetsByMinor are the offsets of Go 1.N on amd64, as its DWARF has them.
var offsetsByMinor = map[int]Offsets{
	25: {
		StackLo: 0, StackHi: 8, Panic: 32, M: 48, GoID: 152, ParentGoID: 272, GoPC: 280, StartPC: 296,
		MProcID: 64, MTLS: 128, MCurG: 184,
	},
	26: {
		StackLo: 0, StackHi: 8, Panic: 32, M: 48, GoID: 152, ParentGoID: 280, GoPC: 288, StartPC: 304,
		MProcID: 64, MTLS: 128, MCurG: 184,
	},
	27: {
		StackLo: 0, StackHi: 8, Panic: 32, M: 48, GoID: 152, ParentGoID: 280, GoPC: 288, StartPC: 304,
		MProcID: 64, MTLS: 128, MCurG: 184,
	},
}
