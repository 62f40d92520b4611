package keys

import (
	"fmt"
	"io"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"
)

// Merger is Pebble's merge operator of a database: it ORs the bitmaps of dead rows, so that deleting a settled row is
// one small write and two deletes never overwrite each other.
var Merger = &pebble.Merger{
	Name: "engram.dead.or.1",
	Merge: func(key, value []byte) (pebble.ValueMerger, error) {
		if len(key) == 0 || key[0] != kindDead {
			return nil, fmt.Errorf("keys: merge on key %q", key)
		}
		m := &orMerger{bits: roaring.New()}
		return m, m.or(value)
	},
}

type orMerger struct{ bits *roaring.Bitmap }

func (m *orMerger) or(value []byte) error {
	b, err := ParseBitmap(value)
	if err != nil {
		return err
	}
	m.bits.Or(b)
	return nil
}

func (m *orMerger) MergeNewer(value []byte) error { return m.or(value) }
func (m *orMerger) MergeOlder(value []byte) error { return m.or(value) }

func (m *orMerger) Finish(bool) ([]byte, io.Closer, error) {
	b, err := m.bits.ToBytes()
	return b, nil, err
}

// Bitmap returns the bytes of a bitmap of dead rows.
func Bitmap(b *roaring.Bitmap) ([]byte, error) { return b.ToBytes() }

// ParseBitmap returns the bitmap in bytes made by Bitmap. It keeps no reference to v.
func ParseBitmap(v []byte) (*roaring.Bitmap, error) {
	b := roaring.New()
	if err := b.UnmarshalBinary(v); err != nil {
		return nil, fmt.Errorf("keys: bitmap of dead rows: %w", err)
	}
	if err := b.Validate(); err != nil {
		return nil, fmt.Errorf("keys: bitmap of dead rows: %w", err)
	}
	return b, nil
}
