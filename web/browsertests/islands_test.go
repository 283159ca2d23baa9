package browsertests

import "testing"

// TestIslandsMount opens each page that has an island: the script finds its place.
func TestIslandsMount(t *testing.T) {
	b := open(t)
	for _, view := range []string{"tree", "flame", "timeline"} {
		b.goTo("/runs/" + b.runs[0].ID.String() + "/" + view)
		b.await(`document.querySelectorAll("[data-island=`+view+`][data-mounted]").length`, 1)
	}
}
