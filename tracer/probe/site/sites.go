package site

// Kind says which moment a site is for.
type Kind uint8

const (
	Entry  Kind = iota + 1 // a call has begun; the stack is large enough and nothing has run yet
	Return                 // the RET that ends a call is next
	Host                   // no moment at all: instructions that give way to an island
)

// Form is how a jump finds room.
type Form uint8

const (
	FormNone      Form = iota // no room: Site.Reason says why
	FormJump                  // five bytes of whole instructions
	FormOverCheck             // entry: the jump replaces the stack check, which runs at its other end
	FormPadding               // return: the jump reaches into the padding behind the function
	FormIsland                // return: two bytes jump to five in padding nearby
	FormInside                // return: the bytes displaced at the entry hold this RET
)

// String returns a word for the form.
func (f Form) String() string {
	return [...]string{"none", "jump", "over the check", "padding", "island", "inside the entry"}[f]
}

// JumpLen is the length of a jump with a distance of four bytes, ShortLen of one with a distance of one byte.
const (
	JumpLen  = 5
	ShortLen = 2
)

// Site is one place where a probe's jump can be written.
type Site struct {
	Kind  Kind
	Form  Form
	Patch uint8 // bytes of the program's text that the jump at Addr replaces: JumpLen or ShortLen
	// Early says that a return can be recorded before its displaced instructions run, because they only take down the
	// frame: they move the stack pointer by Adjust bytes, and no value a result needs.
	Early  bool
	Adjust int32
	Addr   uint64 // first byte of the jump
	Island uint64 // FormIsland: where five bytes of padding, or of a host, take the long jump
	Ret    uint64 // returns: the address of the RET
	Code   []Inst // the displaced instructions, in order, whole
	Reason string // FormNone: why there is no room
}

// Resume returns the address behind the displaced instructions.
func (s *Site) Resume() uint64 {
	if len(s.Code) == 0 {
		return s.Addr
	}
	return s.Code[len(s.Code)-1].End()
}

// Sites are the places of one function.
type Sites struct {
	Function *Function
	Entry    Site
	Returns  []Site // by address, one for each RET
	Hosts    []Site // of islands: their displaced instructions leave room for two jumps, their own and that of an island
}

// Complete reports whether every place takes a jump; if not, it says why the first one does not.
func (s *Sites) Complete() (reason string, ok bool) {
	if s.Entry.Form == FormNone {
		return s.Entry.Reason, false
	}
	for i := range s.Returns {
		if s.Returns[i].Form == FormNone {
			return s.Returns[i].Reason, false
		}
	}
	return "", true
}
