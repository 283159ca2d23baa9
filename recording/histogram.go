package recording

import (
	"math"
	"math/bits"
	"slices"
)

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

const (
	histogramBits = 4
	// histogramBuckets is one more than the index of math.MaxInt64.
	histogramBuckets = (63-1-histogramBits)<<histogramBits + 2<<histogramBits
)

// bucketOf returns the index of the bucket of a duration: itself below 32, then 16 buckets to a power of two.
func bucketOf(ns int64) uint16 {
	v := uint64(ns)
	if v < 2<<histogramBits {
		return uint16(v)
	}
	e := bits.Len64(v) - 1 - histogramBits
	return uint16(e<<histogramBits) + uint16(v>>e)
}

// bucketRange returns the smallest and the largest duration of a bucket.
func bucketRange(index uint16) (low, high int64) {
	if index < 2<<histogramBits {
		return int64(index), int64(index)
	}
	e := int(index>>histogramBits) - 1
	m := int64(index) - int64(e<<histogramBits)
	return m << e, m<<e + (1<<e - 1)
}

// Add counts one duration in ns; a negative one counts as 0.
func (h *Histogram) Add(ns int64) {
	ns = max(ns, 0)
	h.widen(ns, ns)
	h.Count++
	h.addBucket(bucketOf(ns), 1)
}

// widen extends Min and Max of a histogram that had Count values before.
func (h *Histogram) widen(low, high int64) {
	if h.Count == 0 {
		h.Min, h.Max = low, high
		return
	}
	h.Min, h.Max = min(h.Min, low), max(h.Max, high)
}

func (h *Histogram) addBucket(index uint16, count uint64) {
	at, found := slices.BinarySearchFunc(h.buckets, index, func(b histogramBucket, i uint16) int {
		return int(b.index) - int(i)
	})
	if found {
		h.buckets[at].count += count
		return
	}
	h.buckets = slices.Insert(h.buckets, at, histogramBucket{index, count})
}

// Merge adds all of other.
func (h *Histogram) Merge(other *Histogram) {
	if other.Count == 0 {
		return
	}
	h.widen(other.Min, other.Max)
	h.Count += other.Count
	added := h.missing(other)
	if added == 0 {
		at := 0
		for _, b := range other.buckets {
			for h.buckets[at].index != b.index {
				at++
			}
			h.buckets[at].count += b.count
		}
		return
	}
	// From the last to the first, so that every bucket moves at most once, and nothing is overwritten that was not moved.
	from, to, end := len(h.buckets)-1, len(h.buckets)+added-1, len(other.buckets)-1
	h.buckets = slices.Grow(h.buckets, added)[:to+1]
	for end >= 0 {
		b := other.buckets[end]
		if from >= 0 && h.buckets[from].index >= b.index {
			if h.buckets[from].index == b.index {
				b.count += h.buckets[from].count
				end--
			} else {
				b = h.buckets[from]
			}
			from--
		} else {
			end--
		}
		h.buckets[to] = b
		to--
	}
}

// missing returns how many buckets of other h does not have.
func (h *Histogram) missing(other *Histogram) int {
	missing, at := 0, 0
	for _, b := range other.buckets {
		for at < len(h.buckets) && h.buckets[at].index < b.index {
			at++
		}
		if at == len(h.buckets) || h.buckets[at].index != b.index {
			missing++
		}
	}
	return missing
}

// Quantile returns the duration below which a share q (0…1) of the counts lies, within Min and Max; 0 when empty.
func (h *Histogram) Quantile(q float64) int64 {
	if h.Count == 0 {
		return 0
	}
	rank := uint64(math.Ceil(max(0, min(1, q)) * float64(h.Count)))
	rank = max(1, min(rank, h.Count))
	switch rank {
	case 1:
		return h.Min
	case h.Count:
		return h.Max
	}
	var seen uint64
	for _, b := range h.buckets {
		if seen += b.count; seen >= rank {
			low, high := bucketRange(b.index)
			return max(h.Min, min(h.Max, low+(high-low)/2))
		}
	}
	return h.Max
}

// AppendBinary appends the stored form to dst. The error is always nil.
func (h *Histogram) AppendBinary(dst []byte) ([]byte, error) {
	return h.append(dst), nil
}

func (h *Histogram) append(dst []byte) []byte {
	dst = appendUint(dst, h.Count)
	if h.Count == 0 {
		return dst
	}
	dst = appendUint(dst, uint64(h.Min))
	dst = appendUint(dst, uint64(h.Max-h.Min))
	dst = appendUint(dst, uint64(len(h.buckets)))
	next := 0
	for _, b := range h.buckets {
		dst = appendUint(dst, uint64(int(b.index)-next))
		dst = appendUint(dst, b.count)
		next = int(b.index) + 1
	}
	return dst
}

// UnmarshalBinary replaces h with the stored form in data. The error is CodeDamaged.
func (h *Histogram) UnmarshalBinary(data []byte) error {
	s := scanner{rest: data}
	*h = s.histogram()
	if !s.done() {
		*h = Histogram{}
		return damaged("a stored histogram contradicts itself")
	}
	return nil
}

func (s *scanner) histogram() Histogram {
	h := Histogram{Count: s.uint()}
	if h.Count == 0 {
		return Histogram{}
	}
	h.Min = int64(s.within(math.MaxInt64))
	h.Max = h.Min + int64(s.within(uint64(math.MaxInt64-h.Min)))
	n := s.count(2)
	if n > histogramBuckets {
		s.fail()
		return Histogram{}
	}
	h.buckets = make([]histogramBucket, n)
	next, sum := uint64(0), uint64(0)
	for i := range h.buckets {
		var skip, count uint64
		if rest := s.rest; len(rest) >= 2 && rest[0]|rest[1] < 0x80 {
			// Nearly all are that short.
			skip, count, s.rest = uint64(rest[0]), uint64(rest[1]), rest[2:]
		} else {
			skip, count = s.within(histogramBuckets), s.uint()
		}
		index := next + skip
		if index >= histogramBuckets || count == 0 || count > h.Count-sum {
			s.fail()
			return Histogram{}
		}
		h.buckets[i] = histogramBucket{uint16(index), count}
		next, sum = index+1, sum+count
	}
	low, high := uint16(0), uint16(0)
	if n > 0 {
		low, high = h.buckets[0].index, h.buckets[n-1].index
	}
	if sum != h.Count || low != bucketOf(h.Min) || high != bucketOf(h.Max) {
		s.fail()
		return Histogram{}
	}
	return h
}
