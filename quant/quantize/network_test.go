package quantize

import (
	"math"
	"testing"
)

func TestHarm(t *testing.T) {
	whole := [][]float32{{1, 0}, {3, 4}, {0, 0}}
	for _, c := range []struct {
		got  [][]float32
		want float64
	}{
		{whole, 0},
		{[][]float32{{2, 0}, {6, 8}, {0, 0}}, 0}, // only directions count
		{[][]float32{{0, 1}, {3, 4}, {0, 0}}, 1.0 / 3},
		{[][]float32{{-1, 0}, {3, 4}, {0, 1}}, 1},
	} {
		if h := (encoder{}).harm(whole, c.got); math.Abs(h-c.want) > 1e-12 {
			t.Errorf("%v: harm %g, want %g", c.got, h, c.want)
		}
	}
	if h := (language{}).harm([][]float32{{1}, {2}}, [][]float32{{1.5}, {1}}); h != 0.25 {
		t.Errorf("harm %g: a loss that falls makes up for none that rises", h)
	}
}
