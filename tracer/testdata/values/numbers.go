package main

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

type (
	color   int
	flags   uint8
	celsius float64
	label   string
	toggle  bool
	handle  uintptr
)

//go:noinline
func kBool(v bool) bool { work(); return v }

//go:noinline
func kInt(v int) int { work(); return v }

//go:noinline
func kInt8(v int8) int8 { work(); return v }

//go:noinline
func kInt16(v int16) int16 { work(); return v }

//go:noinline
func kInt32(v int32) int32 { work(); return v }

//go:noinline
func kInt64(v int64) int64 { work(); return v }

//go:noinline
func kUint(v uint) uint { work(); return v }

//go:noinline
func kUint8(v uint8) uint8 { work(); return v }

//go:noinline
func kUint16(v uint16) uint16 { work(); return v }

//go:noinline
func kUint32(v uint32) uint32 { work(); return v }

//go:noinline
func kUint64(v uint64) uint64 { work(); return v }

//go:noinline
func kUintptr(v uintptr) uintptr { work(); return v }

//go:noinline
func kRune(v rune) rune { work(); return v }

//go:noinline
func kFloat32(v float32) float32 { work(); return v }

//go:noinline
func kFloat64(v float64) float64 { work(); return v }

//go:noinline
func kComplex64(v complex64) complex64 { work(); return v }

//go:noinline
func kComplex128(v complex128) complex128 { work(); return v }

//go:noinline
func kColor(v color) color { work(); return v }

//go:noinline
func kFlags(v flags) flags { work(); return v }

//go:noinline
func kCelsius(v celsius) celsius { work(); return v }

//go:noinline
func kToggle(v toggle) toggle { work(); return v }

//go:noinline
func kHandle(v handle) handle { work(); return v }

//go:noinline
func kDuration(v time.Duration) time.Duration { work(); return v }

//go:noinline
func kMonth(v time.Month) time.Month { work(); return v }

//go:noinline
func leaf(v int) int { return v }

//go:noinline
func add(a, b int) int { return a + b }

func numbers() {
	same("kBool", "true")
	kBool(true)
	same("kInt", "-42")
	kInt(-42)
	same("kInt8", "-128")
	kInt8(math.MinInt8)
	same("kInt16", "-32768")
	kInt16(math.MinInt16)
	same("kInt32", "-2147483648")
	kInt32(math.MinInt32)
	same("kInt64", "9223372036854775807")
	kInt64(math.MaxInt64)
	same("kUint", "18446744073709551615")
	kUint(math.MaxUint)
	same("kUint8", "255")
	kUint8(255)
	same("kUint16", "65535")
	kUint16(65535)
	same("kUint32", "4294967295")
	kUint32(math.MaxUint32)
	same("kUint64", "18446744073709551615")
	kUint64(math.MaxUint64)
	same("kUintptr", "0xdead")
	kUintptr(0xdead)
	same("kRune", "8364")
	kRune('€')
	same("kFloat32", "0.1")
	kFloat32(0.1)
	same("kFloat64", "-2.5e-07")
	kFloat64(-2.5e-7)
	same("kFloat64", "NaN")
	kFloat64(math.NaN())
	same("kFloat64", "+Inf")
	kFloat64(math.Inf(1))
	same("kComplex64", "(1.5-2i)")
	kComplex64(complex(1.5, -2))
	same("kComplex128", "(0.1+3i)")
	kComplex128(complex(0.1, 3))
	same("kColor", "main.color(2)")
	kColor(2)
	same("kFlags", "main.flags(129)")
	kFlags(129)
	same("kCelsius", "main.celsius(36.6)")
	kCelsius(36.6)
	same("kToggle", "main.toggle(true)")
	kToggle(true)
	same("kHandle", "main.handle(0x10)")
	kHandle(16)
	same("kDuration", "1m30.5s")
	kDuration(90*time.Second + 500*time.Millisecond)
	same("kMonth", "time.Month(5)")
	kMonth(time.May)
	same("leaf", "11")
	leaf(11)
	want("add", "20 | 22", "42")
	add(20, 22)
}

//go:noinline
func kString(v string) string { work(); return v }

//go:noinline
func kLabel(v label) label { work(); return v }

//go:noinline
func kBytes(v []byte) []byte { work(); return v }

//go:noinline
func kRaw(v json.RawMessage) json.RawMessage { work(); return v }

//go:noinline
func kRunes(v []rune) []rune { work(); return v }

//go:noinline
func kHash(v [20]byte) [20]byte { work(); return v }

func texts() {
	same("kString", `"hello, 世界\n"`)
	kString("hello, 世界\n")
	same("kString", `""`)
	kString("")
	same("kString", `"\xff\xfe\x1b[31m"`)
	kString("\xff\xfe\x1b[31m")
	huge := strings.Repeat("0123456789", 100_000)
	same("kString", `"`+huge[:64]+`"…+999936`)
	kString(huge)
	same("kString", `"`+strings.Repeat("€", 21)+`"…+237`)
	kString(strings.Repeat("€", 100))
	same("kLabel", `main.label("l")`)
	kLabel("l")
	same("kBytes", `[]byte("text")`)
	kBytes([]byte("text"))
	same("kBytes", "[]byte{0x0, 0xff}")
	kBytes([]byte{0, 255})
	same("kBytes", "nil")
	kBytes(nil)
	same("kBytes", `[]byte("`+huge[:64]+`"…+999936)`)
	kBytes([]byte(huge))
	same("kRaw", `json.RawMessage("{\"a\": [1]}")`)
	kRaw(json.RawMessage(`{"a": [1]}`))
	same("kRunes", "[]int32{97, 233}")
	kRunes([]rune("aé"))
	same("kHash", "[20]byte{0x1, 0x2"+strings.Repeat(", 0x0", 18)+"}")
	kHash([20]byte{1, 2})
}
