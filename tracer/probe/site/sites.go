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
	FormIsland                // two bytes jump to five nearby, which lie in padding or are displaced in a host
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
	// The displaced instructions are whole, and one follows the other from Addr on, see Image.Displaced. They are so many bytes, so many
	// instructions, and so many of these are RETs.
	Bytes, Instructions, Rets uint8
	Reason                    Reason // FormNone: why there is no room
}

// Resume returns the address behind the displaced instructions.
func (s *Site) Resume() uint64 { return s.Addr + uint64(s.Bytes) }

// displace has instructions displaced that begin at the jump, or behind those that are displaced already.
func (s *Site) displace(code ...Inst) {
	for i := range code {
		s.Bytes += code[i].Len
		s.Instructions++
		if code[i].Flow == FlowRet {
			s.Rets++
		}
	}
}

// Displaced appends the displaced instructions of a site to dst. There are hundreds of thousands of sites in a large program, so that they are
// decoded when they are asked for.
func (img *Image) Displaced(dst []Inst, s *Site) []Inst {
	for in := range img.Instructions(s.Addr, s.Resume()) {
		dst = append(dst, in)
	}
	return dst
}

// Reason is why there is no room for a jump.
type Reason uint8

const (
	reasonNone Reason = iota
	reasonNoFunction
	reasonLoop
	reasonBehindCheck
	reasonBytes
	reasonNoInstructions
	reasonShort
	reasonBranch
	reasonCall
	reasonImmovable
	reasonEntry
	reasonReturn
)

// String returns what there is to say of a reason, "" of none.
func (r Reason) String() string {
	return [...]string{
		reasonNone:           "",
		reasonNoFunction:     "no function holds it",
		reasonLoop:           "a loop leads back to its first instruction",
		reasonBehindCheck:    "a branch leads back to the instruction behind the stack check",
		reasonBytes:          "its code holds bytes that are no instructions",
		reasonNoInstructions: "it has no instructions",
		reasonShort:          "it is shorter than a jump",
		reasonBranch:         "a branch leads into the bytes of the jump",
		reasonCall:           "a call lies in the bytes of the jump",
		reasonImmovable:      "an instruction that cannot be moved lies in the bytes of the jump",
		reasonEntry:          "its entry has none",
		reasonReturn:         "no room for a jump at one of its returns",
	}[r]
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
		return s.Entry.Reason.String(), false
	}
	for i := range s.Returns {
		if s.Returns[i].Form == FormNone {
			return s.Returns[i].Reason.String(), false
		}
	}
	return "", true
}
