package web

import (
	"math"

	"smiley/export"
	"smiley/recording"
)

// sparkline shows how durations are spread, as bars over a logarithmic axis from the shortest to the longest.
type sparkline struct {
	Bars  []sparkBar
	Title string
}

type sparkBar struct{ X, Y, Height int }

const (
	sparkBars   = 16
	sparkWidth  = 5 // px of a bar with its gap
	sparkHeight = 18
	sparkSteps  = 128 // quantiles that are asked for
)

// newSparkline draws a histogram from its quantiles: a bar is as high as the share of calls that falls into its range.
func newSparkline(h *recording.Histogram) *sparkline {
	if h.Count == 0 {
		return nil
	}
	low, high := math.Log(float64(h.Min+1)), math.Log(float64(h.Max+1))
	var bars [sparkBars]int
	for i := range sparkSteps {
		ns := h.Quantile((float64(i) + 0.5) / sparkSteps)
		at := sparkBars / 2
		if high > low {
			at = int((math.Log(float64(ns+1)) - low) / (high - low) * (sparkBars - 1))
		}
		bars[max(0, min(sparkBars-1, at))]++
	}
	most := 1
	for _, n := range bars {
		most = max(most, n)
	}
	s := &sparkline{Title: "from " + export.Duration(h.Min) + " to " + export.Duration(h.Max) + ", half of the calls up to " + export.Duration(h.Quantile(0.5))}
	for i, n := range bars {
		if n > 0 {
			height := max(1, n*sparkHeight/most)
			s.Bars = append(s.Bars, sparkBar{i * sparkWidth, sparkHeight - height, height})
		}
	}
	return s
}
