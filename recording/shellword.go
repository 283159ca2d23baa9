package recording

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plainWord are the characters besides letters and digits that mean themselves to every shell, wherever they stand in a word.
const plainWord = "%+,-./:@_"

// ShellWord writes text as one word of a shell's command line, as hints need it: as it is where a shell takes it for itself, in single
// quotes otherwise, and where a terminal could not show it, with escapes as bash, zsh and ksh read them back. What begins with a dash stays
// what it is, an option.
func ShellWord(text string) string {
	plain, shown := text != "", true
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		shown = shown && unicode.IsPrint(r) && (r != utf8.RuneError || size > 1)
		plain = plain && (r >= utf8.RuneSelf || strings.ContainsRune(plainWord, r) || unicode.IsLetter(r) || unicode.IsDigit(r))
	}
	switch {
	case !shown:
		return escapedWord(text)
	case plain:
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// escapedWord writes all as bytes that is not printable ASCII.
func escapedWord(text string) string {
	var word strings.Builder
	word.WriteString("$'")
	for _, c := range []byte(text) {
		switch {
		case c < ' ' || c > '~':
			fmt.Fprintf(&word, `\x%02x`, c)
		case c == '\'' || c == '\\':
			word.WriteByte('\\')
			word.WriteByte(c)
		default:
			word.WriteByte(c)
		}
	}
	word.WriteByte('\'')
	return word.String()
}
