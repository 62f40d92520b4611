package keys

import (
	"bytes"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

func inside(s Span, k []byte) bool {
	return bytes.Compare(s.Start, k) <= 0 && bytes.Compare(k, s.End) < 0
}

// Every key of a table lies in the table's spans, and in no other table's.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := rapid.Uint32().Draw(t, "table")
		other := rapid.Uint32().Filter(func(o uint32) bool { return o != table }).Draw(t, "other")
		n := rapid.Uint64().Draw(t, "n")
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		unique := rapid.Uint32().Draw(t, "unique")
		all := [][]byte{Head(table, n), Pending(table, n), Segment(table, n), Dead(table, n),
			append(AppendUnique(nil, table, unique), key...)}
		for _, k := range all {
			in, out := 0, 0
			for _, s := range Rows(table) {
				if inside(s, k) {
					in++
				}
			}
			for _, s := range Rows(other) {
				if inside(s, k) {
					out++
				}
			}
			if in != 1 || out != 0 {
				t.Fatalf("key %q: in %d spans of its table and %d of another", k, in, out)
			}
			if !inside(UniqueIndex(table, unique), all[4]) {
				t.Fatalf("unique key outside its index")
			}
		}
		for _, k := range all[:4] {
			gotTable, gotN, err := ParsePair(k)
			if err != nil || gotTable != table || gotN != n {
				t.Fatalf("ParsePair(%q) = %d, %d, %v", k, gotTable, gotN, err)
			}
		}
		if r := HeadRange(table, n, n); !inside(r, Head(table, n)) || n > 0 && inside(r, Head(table, n-1)) ||
			n+1 > n && inside(r, Head(table, n+1)) {
			t.Fatal("HeadRange of one row holds another or not itself")
		}
		if gotTable, gotColumn, err := ParseCounter(Counter(table, unique)); err != nil || gotTable != table || gotColumn != unique {
			t.Fatal("counter key does not read back")
		}
		if !inside(CountersOf(table), Counter(table, unique)) || inside(CountersOf(other), Counter(table, unique)) {
			t.Fatal("counter span")
		}
		if got, err := ParseNumber(Number(n)); err != nil || got != n {
			t.Fatal("number does not read back")
		}
		if s := string(key); !inside(Settings(), Setting(s)) || !inside(SettingsUnder(s), Setting(s+"x")) ||
			!inside(Schemas(), Schema(s)) {
			t.Fatal("setting or schema outside its span")
		}
	})
}

func TestMalformed(t *testing.T) {
	if _, _, err := ParsePair([]byte("h")); err == nil {
		t.Error("short pair key accepted")
	}
	if _, _, err := ParseCounter([]byte("c")); err == nil {
		t.Error("short counter key accepted")
	}
	if _, err := ParseNumber([]byte{1}); err == nil {
		t.Error("short number accepted")
	}
	for _, v := range []string{"", "engram", "engram\x00\x00\x00\x00\x00\x01", "engrim\x00\x00\x00\x00\x01"} {
		if _, err := ParseFormat([]byte(v)); err == nil {
			t.Errorf("format %q accepted", v)
		}
	}
	if v, err := ParseFormat(FormatValue(7)); err != nil || v != 7 {
		t.Errorf("ParseFormat = %d, %v", v, err)
	}
	if _, err := ParseBitmap([]byte{1, 2, 3}); err == nil {
		t.Error("malformed bitmap accepted")
	}
	if _, err := Merger.Merge([]byte("h"), nil); err == nil {
		t.Error("merge outside dead rows accepted")
	}
}

// Whatever the order of merges, flushes and compactions, a read gives the union of the operands.
func TestMergeIsUnion(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kv, err := pebble.Open("", &pebble.Options{FS: vfs.NewMem(), Merger: Merger, Logger: quiet{}})
		if err != nil {
			rt.Fatal(err)
		}
		defer kv.Close()
		want, key := roaring.New(), Dead(1, 2)
		for _, op := range rapid.SliceOfN(rapid.IntRange(0, 12), 1, 30).Draw(rt, "ops") {
			switch op {
			case 0:
				err = kv.Flush()
			case 1:
				err = kv.Compact(rt.Context(), []byte{0}, []byte{0xff}, false)
			case 2:
				want.Clear()
				err = kv.Delete(key, pebble.NoSync)
			default:
				b := roaring.New()
				b.AddMany(rapid.SliceOf(rapid.Uint32Range(0, 200_000)).Draw(rt, "ords"))
				v, _ := Bitmap(b)
				want.Or(b)
				err = kv.Merge(key, v, pebble.NoSync)
			}
			if err != nil {
				rt.Fatal(err)
			}
			got := roaring.New()
			if v, c, err := kv.Get(key); err == nil {
				if got, err = ParseBitmap(v); err != nil {
					rt.Fatal(err)
				}
				c.Close()
			} else if err != pebble.ErrNotFound {
				rt.Fatal(err)
			}
			if !got.Equals(want) {
				rt.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}

func FuzzParseBitmap(f *testing.F) {
	b := roaring.BitmapOf(1, 2, 3, 70_000)
	b.AddRange(100_000, 300_000)
	b.RunOptimize()
	v, _ := Bitmap(b)
	f.Add(v)
	f.Fuzz(func(t *testing.T, v []byte) {
		if b, err := ParseBitmap(v); err == nil {
			b.GetCardinality()
			b.Contains(5)
		}
	})
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(f string, a ...any) {
	panic(f)
}
