package token

import (
	"errors"
	"fmt"
)

// The errors of this package, found with errors.Is.
var (
	// ErrFormat says that a vocabulary or the description of a tokenizer is damaged.
	ErrFormat = errors.New("token: bad tokenizer")
	// ErrUnsupported says that a tokenizer asks for something that is not known here.
	ErrUnsupported = errors.New("token: not supported")
)

// Limits on what is read, well above those of any tokenizer known.
const (
	MaxBytes      = 64 << 20 // of a vocabulary or a tokenizer.json
	maxPieces     = 1 << 20
	maxPieceBytes = 4096
)

// Tokenizer turns text into the ids of pieces.
type Tokenizer interface {
	// Size is the number of ids: every id is below it.
	Size() int
	// Encode returns the ids of a text, with the special tokens that the model expects round them, at most limit in all.
	// What is cut off is the end of the text; the special tokens stay. Bytes that are not UTF-8 make no error. The
	// result is the caller's.
	Encode(text string, limit int) []int32
	// Decode returns the text of ids, without special tokens. Ids out of range have no text. Where a tokenizer loses
	// nothing it gives back what Encode was given; one that lowers case, say, cannot.
	Decode(ids []int32) string
}

// vocabulary is the pieces of a model, both ways.
type vocabulary struct {
	ids    map[string]int32
	pieces []string // by id; where ids have a gap, ""
	bytes  int      // of the longest piece
}

// newVocabulary turns a map of ids round.
func newVocabulary(ids map[string]int32) (*vocabulary, error) {
	v := &vocabulary{ids: ids}
	size := int32(0)
	for p, id := range ids {
		if id < 0 || id >= maxPieces || len(p) > maxPieceBytes {
			return nil, fmt.Errorf("%w: piece %.40q has id %d", ErrFormat, p, id)
		}
		size = max(size, id+1)
		v.bytes = max(v.bytes, len(p))
	}
	if size == 0 {
		return nil, fmt.Errorf("%w: an empty vocabulary", ErrFormat)
	}
	v.pieces = make([]string, size)
	taken := make([]bool, size)
	for p, id := range ids {
		if taken[id] {
			return nil, fmt.Errorf("%w: %.40q and %.40q have id %d", ErrFormat, v.pieces[id], p, id)
		}
		v.pieces[id], taken[id] = p, true
	}
	return v, nil
}

// piece is the text of an id, "" for one that is out of range.
func (v *vocabulary) piece(id int32) string {
	if id < 0 || int(id) >= len(v.pieces) {
		return ""
	}
	return v.pieces[id]
}

// id is the id of a piece, -1 where there is none.
func (v *vocabulary) id(piece string) int32 {
	if id, ok := v.ids[piece]; ok {
		return id
	}
	return -1
}

func (v *vocabulary) size() int { return len(v.pieces) }
