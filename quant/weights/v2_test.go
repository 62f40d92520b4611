package weights_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"engram/quant/weights"
)

func TestV2Rows(t *testing.T) {
	half := []byte{0x00, 0x3c, 0x00, 0xc1} // 1, -2.5
	for _, c := range []struct {
		name string
		row  row
		want []float32
	}{
		{"plain float32", row{shape: []int32{2}, dtype: "torch.float32", quant: "fp32", data: f32(1, -2.5), axis: -1}, []float32{1, -2.5}},
		{"plain float16", row{shape: []int32{2}, dtype: "torch.float16", quant: "fp16", data: half, axis: -1}, []float32{1, -2.5}},
		{"no quant_type, as in V1", row{shape: []int32{2}, dtype: "torch.float16", data: half, axis: -1}, []float32{1, -2.5}},
		// A layer kept at half precision in a mixed file may still carry the dtype it had before.
		{"float16 under the old dtype", row{shape: []int32{2}, dtype: "torch.float32", quant: "fp16", data: half, axis: -1}, []float32{1, -2.5}},
		{"int8 per tensor", row{shape: []int32{2, 2}, dtype: "torch.float32", quant: "int8", data: []byte{0x80, 0xff, 0, 127},
			scales: f32(0.5), zeros: f32(1), axis: -1}, []float32{-64.5, -1, -0.5, 63}},
		{"int8 per row", row{shape: []int32{2, 2}, dtype: "torch.float32", quant: "int8", data: []byte{1, 2, 3, 4},
			scales: f32(1, 10), zeros: f32(0, 2), axis: 0}, []float32{1, 2, 10, 20}},
		{"int8 groups across rows", row{shape: []int32{2, 3}, dtype: "torch.float32", quant: "int8", data: []byte{1, 1, 1, 1, 1, 1},
			scales: f32(1, 2), zeros: f32(0, 0), axis: 0, group: 4}, []float32{1, 1, 1, 1, 2, 2}},
		{"int8, last group padded", row{shape: []int32{3}, dtype: "torch.float32", quant: "int8", data: []byte{1, 2, 3, 99},
			scales: f32(1, 2), zeros: f32(0, 0), axis: 0, group: 2}, []float32{1, 2, 6}},
		// Codes 0, 1, -1, -2 become 2, 3, 1, 0 and lie least significant first: 0x1e.
		{"int2, least significant first", row{shape: []int32{4}, dtype: "torch.float32", quant: "int2", data: []byte{0x1e},
			scales: f32(1), zeros: f32(0), axis: -1}, []float32{0, 1, -1, -2}},
		{"int2 between the grid points", row{shape: []int32{4}, dtype: "torch.float32", quant: "int2", data: []byte{0xe4},
			scales: f32(2), zeros: f32(-0.5), axis: -1}, []float32{-3, -1, 1, 3}},
		{"int2, five values", row{shape: []int32{5}, dtype: "torch.float32", quant: "int2", data: []byte{0x1e, 0x03},
			scales: f32(1), zeros: f32(0), axis: -1}, []float32{0, 1, -1, -2, 1}},
		{"int2 groups", row{shape: []int32{2, 3}, dtype: "torch.float32", quant: "int2", data: []byte{0xff, 0xff},
			scales: f32(1, 2), zeros: f32(0, 0), axis: 0, group: 4}, []float32{1, 1, 1, 1, 2, 2}},
		{"no zero points", row{shape: []int32{2}, dtype: "torch.float32", quant: "int8", data: []byte{1, 2},
			scales: f32(3), zeros: []byte{}, axis: -1}, []float32{3, 6}},
		{"nothing", row{shape: []int32{0, 3}, dtype: "torch.float32", quant: "int8", data: []byte{}, scales: []byte{}, zeros: []byte{}, axis: 0}, []float32{}},
	} {
		c.row.name, c.row.n = "x", int64(len(c.want))
		f := open(t, foreign{v2: true}.file(t, c.row), nil)
		l, ok := f.Layer("x")
		if f.Version() != 2 || !ok || string(l.Quant) != c.row.quant || l.Axis != int(c.row.axis) || l.GroupSize != int(c.row.group) {
			t.Errorf("%s: version %d, layer %+v", c.name, f.Version(), l)
		}
		got, _, err := f.Float32("x")
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, err %v, want %v", c.name, got, err, c.want)
		}
	}
}

// TestV2Property checks value = (q - zero_point) * scale, the place of the scale, and every layout, against a
// straightforward computation.
func TestV2Property(t *testing.T) {
	kinds := layouts(true)
	names := []string{}
	for n := range kinds {
		names = append(names, n)
	}
	slices.Sort(names)
	dir := t
	rapid.Check(t, func(t *rapid.T) {
		rows, cols := rapid.IntRange(1, 6).Draw(t, "rows"), rapid.IntRange(1, 9).Draw(t, "cols")
		n := rows * cols
		group := rapid.SampledFrom([]int{0, 0, 1, 3, 4, 32}).Draw(t, "group")
		axis := rapid.SampledFrom([]int{-1, 0}).Draw(t, "axis")
		count, at := 1, func(int) int { return 0 }
		switch {
		case group > 0:
			axis, count, at = 0, (n+group-1)/group, func(i int) int { return i / group }
		case axis == 0:
			count, at = rows, func(i int) int { return i / cols }
		}
		num := rapid.Float32Range(-100, 100)
		scales, zeros := rapid.SliceOfN(num, count, count).Draw(t, "scales"), rapid.SliceOfN(num, count, count).Draw(t, "zeros")
		two := rapid.Bool().Draw(t, "int2")
		lo, hi, quant := -128, 127, "int8"
		if two {
			lo, hi, quant = -2, 1, "int2"
		}
		codes := rapid.SliceOfN(rapid.IntRange(lo, hi), n, n).Draw(t, "codes")
		data := make([]byte, n)
		if two {
			data = make([]byte, (n+3)/4)
		}
		want := make([]float32, n)
		for i, q := range codes {
			if two {
				data[i/4] += byte(q+2) * []byte{1, 4, 16, 64}[i%4]
			} else {
				data[i] = byte(q)
			}
			want[i] = (float32(q) - zeros[at(i)]) * scales[at(i)]
		}
		r := row{name: "x", shape: []int32{int32(rows), int32(cols)}, dtype: "torch.float32", data: data, n: int64(n), quant: quant,
			scales: f32(scales...), zeros: f32(zeros...), axis: int32(axis), group: int32(group)}
		how := kinds[rapid.SampledFrom(names).Draw(t, "layout")]
		f, err := weights.Open(how.file(dir, v1row("before", []int32{1}, 1), r, v1row("after", []int32{1}, 2)), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, _, err := f.Float32("x", rows, cols)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, err %v, want %v", got, err, want)
		}
		raw, _, err := f.Tensor("x")
		if err != nil || !slices.Equal(raw.Data, data) {
			t.Fatalf("codes %v, err %v", raw, err)
		}
	})
}

func TestV2Refuses(t *testing.T) {
	ok := row{name: "x", shape: []int32{2, 2}, dtype: "torch.float32", quant: "int8", data: []byte{1, 2, 3, 4}, n: 4,
		scales: f32(1, 2), zeros: f32(0, 0), axis: 0}
	for _, c := range []struct {
		name   string
		change func(*row)
		want   error
	}{
		{"unknown kind", func(r *row) { r.quant = "int5" }, weights.ErrUnsupported},
		{"unknown axis", func(r *row) { r.axis = 1 }, weights.ErrUnsupported},
		{"axis of a scalar", func(r *row) { r.shape, r.n = nil, 1 }, weights.ErrUnsupported},
		{"negative group", func(r *row) { r.group = -4 }, weights.ErrCorrupt},
		{"too few scales", func(r *row) { r.scales = f32(1) }, weights.ErrCorrupt},
		{"no scales", func(r *row) { r.scales = nil }, weights.ErrCorrupt},
		{"no zero points column value", func(r *row) { r.zeros = nil }, weights.ErrCorrupt},
		{"too many zero points", func(r *row) { r.zeros = f32(1, 2, 3) }, weights.ErrCorrupt},
		{"too few codes", func(r *row) { r.data = r.data[:3] }, weights.ErrCorrupt},
		{"too many codes", func(r *row) { r.data = append(r.data, 5) }, weights.ErrCorrupt},
		{"huge group", func(r *row) { r.group, r.scales, r.zeros, r.data = math.MaxInt32, f32(1), f32(0), nil }, weights.ErrCorrupt},
	} {
		r := ok
		c.change(&r)
		f, err := weights.Open(foreign{v2: true}.file(t, r), nil)
		if err == nil {
			defer f.Close()
			_, _, err = f.Float32("x")
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", c.name, err, c.want)
		}
	}
}
