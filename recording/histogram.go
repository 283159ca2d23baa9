package recording

// Histogram counts durations in log-linear buckets: 16 to a power of two, so a quantile is off by 1/16 at most (HdrHistogram's
// scheme, Gil Tene). Min, Max and Count are exact. The zero value is empty and ready.
type Histogram struct {
	Count    uint64
	Min, Max int64
	buckets  []histogramBucket // sparse, ascending
}

type histogramBucket struct {
	index uint16
	count uint64
}

// Add counts one duration in ns; a negative one counts as 0.
func (h *Histogram) Add(ns int64) { panic("not written") }

// Merge adds all of other.
func (h *Histogram) Merge(other *Histogram) { panic("not written") }

// Quantile returns the duration below which a share q (0…1) of the counts lies, within Min and Max; 0 when empty.
func (h *Histogram) Quantile(q float64) int64 { panic("not written") }

// AppendBinary and UnmarshalBinary are the stored form.
func (h *Histogram) AppendBinary(dst []byte) ([]byte, error) { panic("not written") }

// UnmarshalBinary replaces h with the stored form in data.
func (h *Histogram) UnmarshalBinary(data []byte) error { panic("not written") }
