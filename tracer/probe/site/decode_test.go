package site

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func goBinary(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "bin", name)
}

// goTool returns a program of the toolchain.
func goTool(t testing.TB, name string) string {
	t.Helper()
	out, err := exec.Command("go", "tool", "-n", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestLengthsAgreeWithObjdump compares every instruction boundary of gofmt's text with objdump's, VEX and EVEX included.
func TestLengthsAgreeWithObjdump(t *testing.T) {
	objdump, err := exec.LookPath("objdump")
	if err != nil {
		t.Skip("objdump is not installed:", err)
	}
	path := goBinary(t, "gofmt")
	img, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(objdump, "-d", "-w", "--section=.text", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	known, wide, bad := 0, 0, 0
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		addr, bytes, text, ok := objdumpLine(lines.Text())
		if !ok || strings.Contains(text, "(bad)") {
			continue
		}
		in, err := Decode(img.Text(addr, min(addr+15, img.addr+uint64(len(img.text)))), addr)
		if bad++; err == nil && int(in.Len) == bytes {
			bad--
		} else if bad < 20 {
			t.Errorf("%#x %s: objdump has %d bytes, we %d (%v)", addr, text, bytes, in.Len, err)
		}
		known++
		if in.Wide {
			wide++
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d instructions, %d with VEX or EVEX", known, wide)
	if known < 100_000 || wide < 100 {
		t.Errorf("compared only %d instructions, %d of them wide", known, wide)
	}
}

// objdumpLine reads "  401000:\t48 89 c3 \tmov ..."
func objdumpLine(line string) (addr uint64, bytes int, text string, ok bool) {
	parts := strings.SplitN(line, "\t", 3)
	if len(parts) < 3 || !strings.HasSuffix(parts[0], ":") {
		return 0, 0, "", false
	}
	addr, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(parts[0], ":")), 16, 64)
	return addr, len(strings.Fields(parts[1])), parts[2], err == nil
}

// FuzzDecode: any bytes give an instruction within them or an error, and never a panic.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x62, 0xf1, 0x7c, 0x48, 0x10, 0x05, 1, 2, 3, 4})
	f.Add([]byte{0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0})
	f.Add([]byte{0xc8, 1, 2, 3})
	f.Fuzz(func(t *testing.T, code []byte) {
		in, err := Decode(code, 0x401000)
		if err != nil {
			return
		}
		if in.Len <= 0 || int(in.Len) > len(code) || in.Len > 15 {
			t.Fatalf("% x: length %d", code, in.Len)
		}
		if in.RelLen > 0 && in.Rel+in.RelLen > in.Len || in.RIP > 0 && in.RIP+4 > in.Len {
			t.Fatalf("% x: displacement outside of the instruction: %+v", code, in)
		}
	})
}
