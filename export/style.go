package export

// Style says whether text is coloured. The zero value is plain.
type Style struct{ Color bool }

type sgr string

const (
	bold   sgr = "1"
	faint  sgr = "2"
	red    sgr = "31"
	green  sgr = "32"
	yellow sgr = "33"
	cyan   sgr = "36"
)

func (s Style) paint(code sgr, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return "\x1b[" + string(code) + "m" + text + "\x1b[0m"
}

// Strong marks what matters most.
func (s Style) Strong(text string) string { return s.paint(bold, text) }

// Faint marks what matters least.
func (s Style) Faint(text string) string { return s.paint(faint, text) }

// Alarm marks what went wrong.
func (s Style) Alarm(text string) string { return s.paint(red, text) }

// Warn marks what deserves a look.
func (s Style) Warn(text string) string { return s.paint(yellow, text) }
