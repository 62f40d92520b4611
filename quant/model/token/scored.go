package token

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// The special pieces of llama2.c, which every vocabulary of it has, and where the pieces of bytes begin.
const (
	llamaBOS   = 1
	llamaEOS   = 2
	llamaBytes = 3
)

// Scored joins the symbols of a text, pair by pair, where the pair that makes the piece of the greatest score goes first:
// how SentencePiece encodes with a byte-pair vocabulary, and llama2.c with its tokenizer.bin. Symbols that are no pieces
// become their bytes. Every text begins with the special token of a beginning, id 1.
type Scored struct {
	v      *vocabulary
	scores []float32
}

// ReadLlama2C reads a tokenizer.bin of llama2.c (https://github.com/karpathy/llama2.c): the length of the longest piece as
// int32, then for each piece its score as float32, its length as int32 and its bytes, all little-endian. The first pieces
// are the unknown, the beginning and the end of a text, and the 256 bytes. A file may end after fewer pieces than the
// model has ids: those are never made. Of equal pieces the first counts.
func ReadLlama2C(b []byte) (*Scored, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: tokenizer.bin of %d bytes, at most %d", ErrFormat, len(b), MaxBytes)
	}
	if len(b) < 4 {
		return nil, fmt.Errorf("%w: tokenizer.bin of %d bytes", ErrFormat, len(b))
	}
	longest := int32(binary.LittleEndian.Uint32(b))
	if longest < 1 || longest > maxPieceBytes {
		return nil, fmt.Errorf("%w: a longest piece of %d bytes", ErrFormat, longest)
	}
	s := &Scored{v: &vocabulary{ids: map[string]int32{}, bytes: int(longest)}}
	for b = b[4:]; len(b) > 0; {
		if len(s.v.pieces) >= maxPieces || len(b) < 8 {
			return nil, fmt.Errorf("%w: %d bytes after %d pieces", ErrFormat, len(b), len(s.v.pieces))
		}
		score := math.Float32frombits(binary.LittleEndian.Uint32(b))
		n := int32(binary.LittleEndian.Uint32(b[4:]))
		b = b[8:]
		if n < 0 || n > longest || int(n) > len(b) || math.IsNaN(float64(score)) || math.IsInf(float64(score), 0) {
			return nil, fmt.Errorf("%w: piece %d of %d bytes with score %v", ErrFormat, len(s.v.pieces), n, score)
		}
		text := string(b[:n])
		b = b[n:]
		if _, twice := s.v.ids[text]; !twice {
			s.v.ids[text] = int32(len(s.v.pieces))
		}
		s.v.pieces = append(s.v.pieces, text)
		s.scores = append(s.scores, score)
	}
	if len(s.v.pieces) < llamaBytes+256 {
		return nil, fmt.Errorf("%w: %d pieces, fewer than the special ones and the bytes", ErrFormat, len(s.v.pieces))
	}
	for c := range 256 {
		if got, ok := byteOf(s.v.pieces[llamaBytes+c]); !ok || int(got) != c {
			return nil, fmt.Errorf("%w: piece %d is %.40q, not that of byte %d", ErrFormat, llamaBytes+c, s.v.pieces[llamaBytes+c], c)
		}
	}
	return s, nil
}

// Size is the number of pieces.
func (s *Scored) Size() int { return s.v.size() }

// ID is the id of a piece, -1 where there is none.
func (s *Scored) ID(piece string) int32 { return s.v.id(piece) }

func (s *Scored) join(text string, left, right *symbol) (id int32, turn float64, ok bool) {
	if right.to-left.from > s.v.bytes {
		return 0, 0, false
	}
	if id, ok = s.v.ids[text[left.from:right.to]]; !ok {
		return 0, 0, false
	}
	return id, -float64(s.scores[id]), true
}

// Encode returns the id of a beginning and those of the pieces of a text with a blank in front, at most limit in all. An
// empty text has only the beginning.
func (s *Scored) Encode(text string, limit int) []int32 {
	if limit <= 0 {
		return nil
	}
	ids := []int32{llamaBOS}
	if text != "" && limit > 1 {
		text = " " + text
		m := mergers.Get().(*merger)
		defer mergers.Put(m)
		m.reset()
		for at := 0; at < len(text); {
			n := runeLen(text[at:])
			if id, ok := s.v.ids[text[at:at+n]]; ok {
				m.add(id, at, at+n)
			} else {
				for i := at; i < at+n; i++ {
					m.add(llamaBytes+int32(text[i]), i, i+1)
				}
			}
			at += n
		}
		ids = m.run(ids, text, s)
	}
	return ids[:min(len(ids), limit)]
}

// Decode joins the texts of pieces. The special pieces have none, and the blank that Encode put in front is taken away.
func (s *Scored) Decode(ids []int32) string {
	var b bytes.Buffer
	for _, id := range ids {
		switch {
		case id >= llamaBytes && id < llamaBytes+256:
			b.WriteByte(byte(id - llamaBytes))
		case id >= llamaBytes:
			b.WriteString(s.v.piece(id))
		}
	}
	return strings.TrimPrefix(b.String(), " ")
}
