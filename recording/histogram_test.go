package recording

import (
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestHistogramAgainstSorted compares quantiles with the sorted durations, and merged histograms with one.
func TestHistogramAgainstSorted(t *testing.T) {
	duration := rapid.OneOf(rapid.Int64Range(0, 64), rapid.Int64Range(0, 1e6), rapid.Int64Min(0))
	rapid.Check(t, func(t *rapid.T) {
		var one, merged Histogram
		parts := make([]Histogram, 3)
		list := rapid.SliceOfN(duration, 1, 60).Draw(t, "durations")
		for _, ns := range list {
			one.Add(ns)
			parts[rapid.IntRange(0, 2).Draw(t, "part")].Add(ns)
		}
		for i := range parts {
			merged.Merge(&parts[i])
		}
		if !reflect.DeepEqual(one, merged) {
			t.Fatalf("%+v merged, %+v at once", merged, one)
		}
		stored, err := one.AppendBinary(nil)
		must(t, err)
		var read Histogram
		must(t, read.UnmarshalBinary(stored))
		if !reflect.DeepEqual(one, read) {
			t.Fatalf("%+v stored, %+v read", one, read)
		}
		q := rapid.Float64Range(0, 1).Draw(t, "quantile")
		checkQuantile(t, list, q, one.Quantile(q))
	})
}

func checkQuantile(t *rapid.T, list []int64, q float64, got int64) {
	sorted := append([]int64(nil), list...)
	for i := range sorted {
		for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	rank := max(1, int(math.Ceil(q*float64(len(sorted)))))
	want := sorted[rank-1]
	if math.Abs(float64(got)-float64(want)) > float64(want)/16 || got < sorted[0] || got > sorted[len(sorted)-1] {
		t.Fatalf("quantile %g of %v is %d, not %d", q, sorted, got, want)
	}
}

func TestHistogramEdges(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 {
		t.Error("an empty histogram has a quantile")
	}
	h.Add(-5)
	h.Add(math.MaxInt64)
	if h.Min != 0 || h.Max != math.MaxInt64 || h.Count != 2 || h.Quantile(1) != math.MaxInt64 {
		t.Errorf("%+v", h)
	}
	for i := uint16(1); i < histogramBuckets; i++ {
		low, high := bucketRange(i)
		if _, before := bucketRange(i - 1); low != before+1 || bucketOf(low) != i || bucketOf(high) != i {
			t.Fatalf("bucket %d is %d to %d, the one before ends at %d", i, low, high, before)
		}
	}
}

// FuzzHistogram decodes anything.
func FuzzHistogram(f *testing.F) {
	var h Histogram
	for _, ns := range []int64{1, 5, 5, 1000, 1 << 40} {
		h.Add(ns)
	}
	f.Add(h.append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h Histogram
		if err := h.UnmarshalBinary(data); err != nil {
			if CodeOf(err) != CodeDamaged {
				t.Error(err)
			}
			return
		}
		if q := h.Quantile(0.9); q < h.Min || q > h.Max {
			t.Errorf("quantile %d of %+v", q, h)
		}
	})
}
