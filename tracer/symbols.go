package tracer

// Origin says where a function's package comes from.
type Origin uint8

const (
	OriginMain       Origin = iota // the main module: the person's own code
	OriginDependency               // another module
	OriginStandard                 // the standard library
)

// Symbol is a function of the program. Several may share a name: the instances of a generic function.
type Symbol struct {
	Name    string // as people write it: "main.(*Cart).Add", "main.Map[...]", "main.main.func1"
	Package string // import path
	Origin  Origin
	File    string // as the binary names it
	Line    int    // of the func keyword
	Entry   uint64 // 0: there is no code of its own
	End     uint64
	// Reason says why the function cannot be traced, "" when it can. NotCode says that the person never wrote
	// it (wrappers and other things the compiler makes), so that its absence is no loss.
	Reason  string
	NotCode bool

	index int
}
