package protocol

import (
	"fmt"
	"math"
	"time"

	"smiley/recording"
)

// Version is the protocol version of this smiley. MinVersion is the oldest one it still speaks.
const (
	Version    = 1
	MinVersion = 1
)

// MaxControl is how long a control message may be, in bytes; a longer one is refused before it is read. The blocks that a
// watcher gets are the exception: MaxWatched.
const MaxControl = 2048

// maxText bounds each text in a control message, in bytes.
const maxText = 512

// MessageType says what a control message is. The values are part of the protocol.
type MessageType uint8

// The control messages.
const (
	TypeHello   MessageType = 1 // sender: here is a run
	TypeWelcome MessageType = 2 // receiver: send it, from this block
	TypeRefuse  MessageType = 3 // receiver: no, and why
	TypeAck     MessageType = 4 // receiver: these blocks are committed
	TypePing    MessageType = 5 // sender: are you there? answered by an ack
	TypeBye     MessageType = 6 // either: the session ends

	TypeWatch        MessageType = 7  // watcher: show me these runs
	TypeWatching     MessageType = 8  // receiver: here they come
	TypeWatchedRun   MessageType = 9  // receiver: this run begins, or has ended
	TypeWatchedBlock MessageType = 10 // receiver: this block was committed
	TypeSeen         MessageType = 11 // watcher: I have had what came up to here
)

// String returns the name of the type as the documentation has it.
func (t MessageType) String() string {
	switch t {
	case TypeHello:
		return "hello"
	case TypeWelcome:
		return "welcome"
	case TypeRefuse:
		return "refuse"
	case TypeAck:
		return "ack"
	case TypePing:
		return "ping"
	case TypeBye:
		return "bye"
	case TypeWatch:
		return "watch"
	case TypeWatching:
		return "watching"
	case TypeWatchedRun:
		return "run"
	case TypeWatchedBlock:
		return "block"
	case TypeSeen:
		return "seen"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Token names a session: the receiver makes it, and every later message of the session carries it.
type Token [16]byte

// Secret proves that a hello comes from the sender that began the run. It never leaves the two ends.
type Secret [16]byte

// Message is a control message: *Hello, *Welcome, *Refuse, *Ack, *Ping, *Bye, or one of a watcher's: *Watch, *Watching,
// *WatchedRun, *WatchedBlock, *Seen.
type Message interface {
	kind() MessageType
	append(dst []byte) []byte
	read(s *scanner)
}

// Hello opens a session for one run.
type Hello struct {
	Min, Max uint16 // protocol versions that the sender speaks
	Run      recording.RunID
	Secret   Secret
	First    uint32 // the lowest block that the sender still has
	Next     uint32 // the block that it will make or find next; blocks [First, Next) exist
	Software string // version of smiley
	Program  string // what runs, for people
}

// Welcome accepts a run.
type Welcome struct {
	Version   uint16
	Token     Token
	Run       recording.RunID
	Committed uint32 // blocks below are in the store
	Received  uint32 // blocks below need not be sent; at least Committed
	Window    Window
	DataPort  uint16 // TCP port of the data socket; 0 where the transport has none
	Software  string
}

// Window is how much a sender may have on its way: sent, and not committed. One block is always allowed.
type Window struct {
	Blocks uint32
	Bytes  uint32
}

// RefuseCode says why a receiver refuses. The values are part of the protocol.
type RefuseCode uint8

// The reasons.
const (
	RefuseVersion   RefuseCode = 1 // no common protocol version
	RefuseBusy      RefuseCode = 2 // not now: too many sessions, or the store does not answer
	RefuseForbidden RefuseCode = 3 // the run belongs to another sender
	RefuseSession   RefuseCode = 4 // the token is not (or no longer) known: say hello again
	RefuseRun       RefuseCode = 5 // the store cannot keep this run, ever; Text says why
	RefuseWatch     RefuseCode = 6 // this receiver serves no watchers
)

// Refuse turns a hello, a session or a run down.
type Refuse struct {
	Code     RefuseCode
	Run      recording.RunID // zero when the receiver does not know it
	Token    Token           // zero before the welcome
	Min, Max uint16          // protocol versions that the receiver speaks
	Retry    time.Duration   // not before; whole milliseconds
	Software string
	Text     string
}

// Ack says how far a run has come.
type Ack struct {
	Token     Token
	Committed uint32
	Received  uint32
	Window    Window
	Resume    bool   // send again from Received: something did not arrive, or there was no room for it
	Holding   bool   // the store cannot commit at the moment; Text says why
	Echo      uint64 // of the ping that it answers; 0 when it answers none
	Text      string
}

// Ping asks for an ack.
type Ping struct {
	Token Token
	Echo  uint64
}

// Bye ends a session. A sender says it when every block it will ever have is committed, whether the run's final block
// is among them or not; a receiver when it stops.
type Bye struct{ Token Token }

var controlMagic = [4]byte{'S', 'M', 'L', 'C'}

// controlHead is the length of what every version of every control message begins with.
const controlHead = 8

// AppendMessage appends the encoded message. Texts that are too long are cut.
func AppendMessage(dst []byte, m Message) []byte {
	dst = append(dst, controlMagic[:]...)
	dst = le.AppendUint16(dst, Version)
	dst = append(dst, byte(m.kind()), 0)
	return m.append(dst)
}

// DecodeMessage decodes a control message. Errors are CodeDamaged, and CodeNewer for a message of another version; a
// hello or watch is always understood that far that its versions are known, so that both can be named: then the message
// comes with the error.
func DecodeMessage(data []byte) (Message, error) {
	if len(data) < controlHead || [4]byte(data[:4]) != controlMagic {
		return nil, recording.Errorf(recording.CodeDamaged, "this is not a message of smiley's protocol")
	}
	version := le.Uint16(data[4:])
	if len(data) > MaxControl && (MessageType(data[6]) != TypeWatchedBlock || len(data) > MaxWatched) {
		return nil, recording.Errorf(recording.CodeDamaged, "a control message of %d bytes is too long", len(data))
	}
	m := newMessage(MessageType(data[6]))
	if version != Version {
		err := versionError(version)
		if len(data) < controlHead+4 {
			return nil, err
		}
		low, high := le.Uint16(data[controlHead:]), le.Uint16(data[controlHead+2:])
		switch m := m.(type) {
		case *Hello:
			m.Min, m.Max = low, high
			return m, err
		case *Watch:
			m.Min, m.Max = low, high
			return m, err
		}
		return nil, err
	}
	if m == nil || data[7] != 0 {
		return nil, recording.Errorf(recording.CodeDamaged, "a control message of unknown type %d", data[6])
	}
	s := scanner{rest: data[controlHead:]}
	m.read(&s)
	if s.failed || len(s.rest) != 0 {
		return nil, recording.Errorf(recording.CodeDamaged, "a %s message that contradicts itself", m.kind())
	}
	return m, nil
}

func versionError(version uint16) *recording.Error {
	return recording.Errorf(recording.CodeNewer, "the other side speaks protocol version %d, this smiley version %d",
		version, Version).WithHint("use the same version of smiley on both sides")
}

func newMessage(t MessageType) Message {
	switch t {
	case TypeHello:
		return &Hello{}
	case TypeWelcome:
		return &Welcome{}
	case TypeRefuse:
		return &Refuse{}
	case TypeAck:
		return &Ack{}
	case TypePing:
		return &Ping{}
	case TypeBye:
		return &Bye{}
	}
	return newWatchMessage(t)
}

func (*Hello) kind() MessageType   { return TypeHello }
func (*Welcome) kind() MessageType { return TypeWelcome }
func (*Refuse) kind() MessageType  { return TypeRefuse }
func (*Ack) kind() MessageType     { return TypeAck }
func (*Ping) kind() MessageType    { return TypePing }
func (*Bye) kind() MessageType     { return TypeBye }

func (m *Hello) append(dst []byte) []byte {
	dst = le.AppendUint16(dst, m.Min)
	dst = le.AppendUint16(dst, m.Max)
	dst = append(dst, m.Run[:]...)
	dst = append(dst, m.Secret[:]...)
	dst = le.AppendUint32(dst, m.First)
	dst = le.AppendUint32(dst, m.Next)
	return appendText(appendText(dst, m.Software), m.Program)
}

func (m *Hello) read(s *scanner) {
	m.Min, m.Max = s.u16(), s.u16()
	s.bytes(m.Run[:])
	s.bytes(m.Secret[:])
	m.First, m.Next = s.u32(), s.u32()
	m.Software, m.Program = s.text(), s.text()
	s.require(m.Min <= m.Max && m.First <= m.Next)
}

func (m *Welcome) append(dst []byte) []byte {
	dst = le.AppendUint16(dst, m.Version)
	dst = append(dst, m.Token[:]...)
	dst = append(dst, m.Run[:]...)
	dst = le.AppendUint32(dst, m.Committed)
	dst = le.AppendUint32(dst, m.Received)
	dst = m.Window.append(dst)
	dst = le.AppendUint16(dst, m.DataPort)
	return appendText(dst, m.Software)
}

func (m *Welcome) read(s *scanner) {
	m.Version = s.u16()
	s.bytes(m.Token[:])
	s.bytes(m.Run[:])
	m.Committed, m.Received = s.u32(), s.u32()
	m.Window.read(s)
	m.DataPort = s.u16()
	m.Software = s.text()
	s.require(m.Committed <= m.Received)
}

func (m *Refuse) append(dst []byte) []byte {
	dst = append(dst, byte(m.Code))
	dst = append(dst, m.Run[:]...)
	dst = append(dst, m.Token[:]...)
	dst = le.AppendUint16(dst, m.Min)
	dst = le.AppendUint16(dst, m.Max)
	dst = le.AppendUint32(dst, uint32(min(max(m.Retry.Milliseconds(), 0), math.MaxUint32)))
	return appendText(appendText(dst, m.Software), m.Text)
}

func (m *Refuse) read(s *scanner) {
	m.Code = RefuseCode(s.u8())
	s.bytes(m.Run[:])
	s.bytes(m.Token[:])
	m.Min, m.Max = s.u16(), s.u16()
	m.Retry = time.Duration(s.u32()) * time.Millisecond
	m.Software, m.Text = s.text(), s.text()
	s.require(m.Code >= RefuseVersion && m.Code <= RefuseWatch)
}

const (
	ackResume  = 1 << 0
	ackHolding = 1 << 1
)

func (m *Ack) append(dst []byte) []byte {
	dst = append(dst, m.Token[:]...)
	dst = le.AppendUint32(dst, m.Committed)
	dst = le.AppendUint32(dst, m.Received)
	dst = m.Window.append(dst)
	var flags byte
	if m.Resume {
		flags |= ackResume
	}
	if m.Holding {
		flags |= ackHolding
	}
	dst = append(dst, flags)
	dst = le.AppendUint64(dst, m.Echo)
	return appendText(dst, m.Text)
}

func (m *Ack) read(s *scanner) {
	s.bytes(m.Token[:])
	m.Committed, m.Received = s.u32(), s.u32()
	m.Window.read(s)
	flags := s.u8()
	m.Resume, m.Holding = flags&ackResume != 0, flags&ackHolding != 0
	m.Echo = s.u64()
	m.Text = s.text()
	s.require(m.Committed <= m.Received && flags&^(ackResume|ackHolding) == 0)
}

func (m *Ping) append(dst []byte) []byte { return le.AppendUint64(append(dst, m.Token[:]...), m.Echo) }

func (m *Ping) read(s *scanner) {
	s.bytes(m.Token[:])
	m.Echo = s.u64()
}

func (m *Bye) append(dst []byte) []byte { return append(dst, m.Token[:]...) }

func (m *Bye) read(s *scanner) { s.bytes(m.Token[:]) }

func (w Window) append(dst []byte) []byte {
	return le.AppendUint32(le.AppendUint32(dst, w.Blocks), w.Bytes)
}

func (w *Window) read(s *scanner) { w.Blocks, w.Bytes = s.u32(), s.u32() }
