package weights

import (
	"errors"
	"slices"
	"testing"
)

// TestThriftWalk feeds structures by hand: every type is passed over to its last byte, and every lie is seen.
func TestThriftWalk(t *testing.T) {
	all := []byte{
		0x11,       // field 1, true
		0x12,       // field 2, false
		0x13, 0x7f, // field 3, byte
		0x14, 0x02, // field 4, i16
		0x15, 0x80, 0x01, // field 5, i32 in two bytes
		0x16, 0x02, // field 6, i64
		0x17, 1, 2, 3, 4, 5, 6, 7, 8, // field 7, double
		0x18, 2, 'h', 'i', // field 8, binary
		0x19, 0x25, 0x02, 0x04, // field 9, list of two i32
		0x1a, 0x21, 1, 2, // field 10, set of two booleans
		0x1b, 1, 0x58, 0x02, 1, 'v', // field 11, map of one i32 to binary
		0x1b, 0, // field 12, empty map
		0x1c, 0x15, 0x02, 0, // field 13, struct of one i32
		0x05, 0x50, 0x06, // field 40, i32, its number written out
		0, // stop
	}
	r := &thriftReader{buf: all}
	var seen []int16
	r.fields(0, func(id int16, _ byte) bool { seen = append(seen, id); return false })
	if r.err != nil || r.pos != len(all) {
		t.Fatalf("at %d of %d, err %v", r.pos, len(all), r.err)
	}
	if want := []int16{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 40}; !slices.Equal(seen, want) {
		t.Errorf("fields %v", seen)
	}
	for n := range all {
		if err := checkFooter(all[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for name, b := range map[string][]byte{
		"list beyond the bytes":   {0x19, 0xf5, 0xff, 0xff, 0x03, 0},
		"map beyond the bytes":    {0x1b, 0xff, 0xff, 0x03, 0x55, 0},
		"binary beyond the bytes": {0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, 0},
		"endless integer":         {0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0},
		"unknown type":            {0x1d, 0},
		"deep structs":            slices.Repeat([]byte{0x1c}, 100),
		"deep lists":              slices.Concat([]byte{0x19}, slices.Repeat([]byte{0x19}, 100)),
		"wide schema":             slices.Concat([]byte{0x29, 0xf3, 0x81, 0x08}, make([]byte, 2000)),
	} {
		if err := checkFooter(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPageHeads(t *testing.T) {
	// kind 0, sizes 20 and 20, then a data page header of 3 values, plain.
	good := []byte{0x15, 0, 0x15, 40, 0x15, 40, 0x2c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0}
	h, err := readPageHead(good)
	if err != nil || h.kind != pageData || h.compressed != 20 || h.uncompressed != 20 || h.values != 3 || h.encoding != encodingPlain || h.size != len(good) {
		t.Errorf("%+v, err %v", h, err)
	}
	for n := range good {
		if _, err := readPageHead(good[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for name, b := range map[string][]byte{
		"no sizes":      {0x15, 0, 0},
		"negative size": {0x15, 0, 0x15, 39, 0x15, 40, 0},
	} {
		if _, err := readPageHead(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
