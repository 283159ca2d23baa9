package protocol

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"smiley/recording"
)

func drawID(t *rapid.T, what string) (id [16]byte) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, what))
	return id
}

func drawMessage(t *rapid.T) Message {
	u32 := func(what string) uint32 { return rapid.Uint32().Draw(t, what) }
	text := func() string { return rapid.StringMatching(`[ -~äß→]{0,60}`).Draw(t, "text") }
	low, high := u32("low"), u32("high")
	low, high = min(low, high), max(low, high)
	window := Window{u32("blocks"), u32("bytes")}
	token := Token(drawID(t, "token"))
	switch rapid.SampledFrom([]MessageType{
		TypeHello, TypeWelcome, TypeRefuse, TypeAck, TypePing, TypeBye,
		TypeWatch, TypeWatching, TypeWatchedRun, TypeSeen,
	}).Draw(t, "type") {
	case TypeHello:
		versions := rapid.Uint16().Draw(t, "version")
		return &Hello{versions, math.MaxUint16, drawID(t, "run"), Secret(token), low, high, text(), text()}
	case TypeWelcome:
		return &Welcome{Version, token, drawID(t, "run"), low, high, window, uint16(low), text()}
	case TypeRefuse:
		code := RefuseCode(rapid.IntRange(int(RefuseVersion), int(RefuseWatch)).Draw(t, "code"))
		return &Refuse{code, drawID(t, "run"), token, uint16(low), uint16(high), time.Duration(low%1e6) * time.Millisecond, text(), text()}
	case TypeAck:
		return &Ack{token, low, high, window, rapid.Bool().Draw(t, "resume"), rapid.Bool().Draw(t, "holding"), rapid.Uint64().Draw(t, "echo"), text()}
	case TypePing:
		return &Ping{token, rapid.Uint64().Draw(t, "echo")}
	case TypeWatch:
		return &Watch{uint16(low % 9), 9, drawID(t, "prefix"), rapid.Uint8Max(128).Draw(t, "bits"), text()}
	case TypeWatching:
		return &Watching{Version, token, high, low, text()}
	case TypeWatchedRun:
		state := RunState(rapid.IntRange(int(RunRecording), int(RunGone)).Draw(t, "state"))
		return &WatchedRun{token, low, drawID(t, "run"), state, rapid.Uint64().Draw(t, "events"), text()}
	case TypeSeen:
		return &Seen{token, low}
	}
	return &Bye{token}
}

// What is encoded is decoded to the same, and within the bound that receivers set.
func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		data := AppendMessage(nil, m)
		if len(data) > MaxControl {
			t.Fatalf("%d bytes", len(data))
		}
		got, err := DecodeMessage(data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Fatalf("%#v became %#v", m, got)
		}
		for cut := range len(data) {
			if _, err := DecodeMessage(data[:cut]); err == nil {
				t.Fatalf("a message cut to %d of %d bytes is accepted", cut, len(data))
			}
		}
		if _, err := DecodeMessage(append(data, 0)); err == nil {
			t.Fatal("a byte too many is accepted")
		}
	})
}

// A block for a watcher may be longer than other messages, up to a bound.
func TestWatchedBlocks(t *testing.T) {
	for _, m := range []*WatchedBlock{{Token{1}, 2, true, []byte{}}, {Token{3}, 4, false, bytes.Repeat([]byte{5}, 1<<20)}} {
		got, err := DecodeMessage(AppendMessage(nil, m))
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%d bytes: %v", len(m.Body), err)
		}
	}
	if _, err := DecodeMessage(AppendMessage(nil, &WatchedBlock{Body: make([]byte, MaxBlock+1000)})); recording.CodeOf(err) != recording.CodeDamaged {
		t.Errorf("a block that is too long: %v", err)
	}
}

// The longest message fits, and text from anywhere becomes text that can be shown.
func TestTextsAreCutAndClean(t *testing.T) {
	long := strings.Repeat("\x1b[31m→\xff", 1000)
	data := AppendMessage(nil, &Hello{Software: long, Program: long})
	if len(data) > MaxControl {
		t.Fatalf("%d bytes", len(data))
	}
	m, err := DecodeMessage(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.(*Hello).Program; strings.ContainsRune(got, '\x1b') || len(got) > maxText || len(got) < maxText-4 {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// Another version is refused by name, and a hello of any version says which ones its sender speaks.
func TestOtherVersions(t *testing.T) {
	data := AppendMessage(nil, &Hello{Min: 7, Max: 9})
	data[4] = 9
	m, err := DecodeMessage(data)
	if recording.CodeOf(err) != recording.CodeNewer || !strings.Contains(err.Error(), "version 9") || !strings.Contains(err.Error(), "version 1") {
		t.Errorf("error %v", err)
	}
	if h, ok := m.(*Hello); !ok || h.Min != 7 || h.Max != 9 {
		t.Errorf("message %#v", m)
	}
	data = AppendMessage(nil, &Ping{})
	data[4] = 2
	if m, err := DecodeMessage(data); m != nil || recording.CodeOf(err) != recording.CodeNewer {
		t.Errorf("message %#v, error %v", m, err)
	}
	e := AppendEnvelope(nil, &Envelope{})
	e[4] = 2
	if _, err := DecodeEnvelope(e); recording.CodeOf(err) != recording.CodeNewer {
		t.Errorf("error %v", err)
	}
}

// A decoder accepts only what the encoder would have written.
func FuzzDecodeMessage(f *testing.F) {
	for _, m := range []Message{
		&Hello{Software: "v1", Program: "x"}, &Welcome{}, &Refuse{Code: RefuseRun, Text: "no"}, &Refuse{Code: RefuseBusy, Retry: math.MaxUint32 * time.Millisecond},
		&Ack{Resume: true, Text: "full"}, &Ping{Echo: 1}, &Bye{},
	} {
		f.Add(AppendMessage(nil, m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeMessage(data)
		if err != nil {
			return
		}
		if again := AppendMessage(nil, m); !bytes.Equal(again, data) {
			t.Errorf("%x is read as %x", data, again)
		}
	})
}

// As FuzzDecodeMessage.
func FuzzDecodeEnvelope(f *testing.F) {
	f.Add(AppendEnvelope(nil, &Envelope{Number: 3, Check: 4}))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEnvelope(data)
		if err != nil {
			return
		}
		if again := AppendEnvelope(nil, &e); !bytes.Equal(again, data) {
			t.Errorf("%x is read as %x", data, again)
		}
	})
}
