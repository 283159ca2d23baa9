package export

import (
	"strconv"
	"time"
)

// Duration writes a time in ns for people, with three significant digits: "850ns", "12.3µs", "1.50s", "2m5s".
func Duration(ns int64) string {
	switch {
	case ns < 0:
		return "-" + Duration(-ns)
	case ns < 1_000:
		return strconv.FormatInt(ns, 10) + "ns"
	case ns < 999_500:
		return significant(float64(ns)/1e3) + "µs"
	case ns < 999_500_000:
		return significant(float64(ns)/1e6) + "ms"
	case ns < 60_000_000_000:
		return significant(float64(ns)/1e9) + "s"
	}
	return time.Duration(ns).Round(time.Second).String()
}

func significant(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

// Count writes a number with commas between the thousands: "1,204".
func Count(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	out := make([]byte, 0, len(digits)+len(digits)/3)
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, digits[i])
	}
	return string(out)
}

// Plural writes a count of things: "1 call", "1,204 calls".
func Plural(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return Count(n) + " " + thing + "s"
}
