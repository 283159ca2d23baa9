package browsertests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"smiley/web/webtest"
)

// TestLiveIslandsGrow looks at what scripts draw of a run while it is recorded: it grows on screen, and what somebody has selected
// and zoomed to stays.
func TestLiveIslandsGrow(t *testing.T) {
	file, run := begin(t)
	run.Call(3)
	b := openFile(t, file, []webtest.Recorded{run.Recorded})
	const mounted = `document.querySelectorAll("[data-island][data-mounted]").length`
	home := "/runs/" + run.ID.String()

	b.goTo(home + "/tree?g=1")
	b.await(mounted, 1)
	const rows = `document.querySelectorAll(".tree-island [role=row][aria-level]").length`
	before := evaluate[int](b, rows)
	selected := evaluate[string](b, `document.querySelector(".tree-island [aria-selected=true]").textContent`)
	run.Call(4)
	b.await(rows, before+4)
	if now := evaluate[string](b, `document.querySelector(".tree-island [aria-selected=true]").textContent`); now != selected {
		t.Errorf("%q is selected, %q before the run grew", now, selected)
	}

	b.goTo(home + "/flame")
	b.await(mounted, 1)
	text := evaluate[string](b, `document.querySelector(".flame-about").textContent`)
	run.Call(5)
	b.await(fmt.Sprintf(`Number(document.querySelector(".flame-about").textContent !== %q)`, text), 1)

	b.goTo(home + "/timeline")
	b.await(mounted, 1)
	const window = `document.querySelector(".timeline-bar b").textContent`
	text = evaluate[string](b, window)
	run.Call(6)
	run.Finish()
	b.await(fmt.Sprintf("Number(%s !== %q)", window, text), 1)
	b.await(`document.querySelectorAll(".crumbs .chip.failed").length`, 1)
	b.await(`document.querySelectorAll("main[data-live]").length`, 0)
	// It shows all of the run that it was in the end.
	response, err := http.Get(b.home + home + "/timeline.json?n=1")
	check(t, err)
	var final struct {
		Whole int64 `json:"whole_ns"`
	}
	check(t, json.NewDecoder(response.Body).Decode(&final))
	check(t, response.Body.Close())
	b.await(fmt.Sprintf(`Number(Math.abs(%s.match(/… .([0-9.]+)s/)[1] * 1e9 - %d) <= 10)`, window, final.Whole), 1)
}
