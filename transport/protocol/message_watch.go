package protocol

import "smiley/recording"

// MaxWatched is how long a message with a block may be, in bytes.
const MaxWatched = MaxBlock + 64

// Watch asks for the runs that are being recorded, or will be, as far as their id begins with the first Bits bits of Prefix.
type Watch struct {
	Min, Max uint16 // protocol versions that the watcher speaks
	Prefix   recording.RunID
	Bits     uint8 // 0: all runs
	Software string
}

// Watching accepts a watcher. When one run fits a prefix, only that run is shown.
type Watching struct {
	Version  uint16
	Token    Token
	Live     uint32 // runs that are being recorded
	Matching uint32 // those that were asked for: a WatchedRun follows for each
	Software string
}

// RunState says how far a watched run has come. The values are part of the protocol.
type RunState uint8

// The states.
const (
	RunRecording RunState = 1 // blocks follow
	RunComplete  RunState = 2 // there are no more
	RunGone      RunState = 3 // its sender has gone
)

// WatchedRun says that a run is recorded, or no more.
type WatchedRun struct {
	Token   Token
	Serial  uint32 // numbers what a watcher gets, from 1
	Run     recording.RunID
	State   RunState
	Events  uint64 // so far; 0: not known
	Program string
}

// WatchedBlock brings a block that was committed. Blocks of a run come in order. Where some are left out, because the watcher
// was too slow or joined later, blocks with Defines come before the next: they have no events, and define what the blocks that
// were left out did.
type WatchedBlock struct {
	Token   Token
	Serial  uint32
	Defines bool
	Body    []byte // the encoded block; shares memory with the message
}

// Seen says that a watcher has had everything up to Serial.
type Seen struct {
	Token  Token
	Serial uint32
}

func newWatchMessage(t MessageType) Message {
	switch t {
	case TypeWatch:
		return &Watch{}
	case TypeWatching:
		return &Watching{}
	case TypeWatchedRun:
		return &WatchedRun{}
	case TypeWatchedBlock:
		return &WatchedBlock{}
	case TypeSeen:
		return &Seen{}
	}
	return nil
}

func (*Watch) kind() MessageType        { return TypeWatch }
func (*Watching) kind() MessageType     { return TypeWatching }
func (*WatchedRun) kind() MessageType   { return TypeWatchedRun }
func (*WatchedBlock) kind() MessageType { return TypeWatchedBlock }
func (*Seen) kind() MessageType         { return TypeSeen }

func (m *Watch) append(dst []byte) []byte {
	dst = le.AppendUint16(dst, m.Min)
	dst = le.AppendUint16(dst, m.Max)
	dst = append(dst, m.Prefix[:]...)
	dst = append(dst, m.Bits)
	return appendText(dst, m.Software)
}

func (m *Watch) read(s *scanner) {
	m.Min, m.Max = s.u16(), s.u16()
	s.bytes(m.Prefix[:])
	m.Bits = s.u8()
	m.Software = s.text()
	s.require(m.Min <= m.Max && m.Bits <= 128)
}

func (m *Watching) append(dst []byte) []byte {
	dst = le.AppendUint16(dst, m.Version)
	dst = append(dst, m.Token[:]...)
	dst = le.AppendUint32(dst, m.Live)
	dst = le.AppendUint32(dst, m.Matching)
	return appendText(dst, m.Software)
}

func (m *Watching) read(s *scanner) {
	m.Version = s.u16()
	s.bytes(m.Token[:])
	m.Live, m.Matching = s.u32(), s.u32()
	m.Software = s.text()
	s.require(m.Matching <= m.Live)
}

func (m *WatchedRun) append(dst []byte) []byte {
	dst = append(dst, m.Token[:]...)
	dst = le.AppendUint32(dst, m.Serial)
	dst = append(dst, m.Run[:]...)
	dst = append(dst, byte(m.State))
	dst = le.AppendUint64(dst, m.Events)
	return appendText(dst, m.Program)
}

func (m *WatchedRun) read(s *scanner) {
	s.bytes(m.Token[:])
	m.Serial = s.u32()
	s.bytes(m.Run[:])
	m.State = RunState(s.u8())
	m.Events = s.u64()
	m.Program = s.text()
	s.require(m.State >= RunRecording && m.State <= RunGone)
}

const watchedDefines = 1 << 0

func (m *WatchedBlock) append(dst []byte) []byte {
	dst = append(dst, m.Token[:]...)
	dst = le.AppendUint32(dst, m.Serial)
	var flags byte
	if m.Defines {
		flags |= watchedDefines
	}
	return append(append(dst, flags), m.Body...)
}

func (m *WatchedBlock) read(s *scanner) {
	s.bytes(m.Token[:])
	m.Serial = s.u32()
	flags := s.u8()
	m.Defines = flags&watchedDefines != 0
	s.require(flags&^watchedDefines == 0)
	m.Body, s.rest = s.rest, nil
}

func (m *Seen) append(dst []byte) []byte {
	return le.AppendUint32(append(dst, m.Token[:]...), m.Serial)
}

func (m *Seen) read(s *scanner) {
	s.bytes(m.Token[:])
	m.Serial = s.u32()
}
