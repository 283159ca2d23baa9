package tracer

// offsetsByMinor are the offsets of Go 1.N on amd64.
var offsetsByMinor = map[int]Offsets{}
