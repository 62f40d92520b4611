package token

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxPieceRunes bounds a piece of a unigram vocabulary: it is how far a lattice looks ahead.
const maxPieceRunes = 256

// space is what stands for a blank inside pieces (U+2581).
const space = '\u2581'

// Unigram splits text into pieces by a unigram language model, as SentencePiece does (Kudo 2018,
// https://arxiv.org/abs/1804.10959): among all ways to cut the text the one whose pieces have the greatest sum of
// log-probabilities. It is safe for concurrent use.
type Unigram struct {
	next   map[trieEdge]int32 // the trie over the runes of the pieces; node 0 is its root
	pieces map[int32]piece    // the piece that ends at a node
	texts  []string           // by id
	runes  int                // of the longest piece

	unknown      int32   // the id of what no piece covers; -1 where the vocabulary has none
	unknownScore float64 // of one unknown symbol
	bytes        *byteIDs

	// published keeps the oddities of the tokenizer that use-lite was published with: a sum of exactly 0 counts for none
	// yet, of equal sums the later wins, and a symbol is unknown only where no piece at all begins.
	published bool
}

type trieEdge struct {
	node int32
	r    rune
}

type piece struct {
	id    int32
	score float64
}

// NewUnigram makes the tokenizer of use-lite from a vocabulary: a JSON array of [piece, log-probability] pairs, where the
// place of a pair is the id of its piece. The first reserved pieces are never produced from text; id 0 stands for the
// unknown. A log-probability of null counts as 0, and of equal pieces the last counts: the vocabulary of use-lite has
// both, and the model was published with a tokenizer that reads them so.
func NewUnigram(vocab []byte, reserved int) (*Unigram, error) {
	if len(vocab) > MaxBytes {
		return nil, fmt.Errorf("%w: vocabulary of %d bytes, at most %d", ErrFormat, len(vocab), MaxBytes)
	}
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal(vocab, &pairs); err != nil {
		return nil, fmt.Errorf("%w: vocabulary: %w", ErrFormat, err)
	}
	if len(pairs) <= reserved || len(pairs) > maxPieces || reserved < 1 {
		return nil, fmt.Errorf("%w: vocabulary of %d pieces, %d of them reserved", ErrFormat, len(pairs), reserved)
	}
	u := newTrie(len(pairs))
	u.published = true
	for id := range pairs {
		text, score, err := pieceOf(pairs[id])
		if err == nil && id >= reserved {
			err = u.insert(text, int32(id), score)
		}
		if err != nil && id >= reserved {
			return nil, fmt.Errorf("piece %d: %w", id, err)
		}
		u.texts[id] = text
	}
	return u, nil
}

func newTrie(size int) *Unigram {
	return &Unigram{next: map[trieEdge]int32{}, pieces: map[int32]piece{}, texts: make([]string, size)}
}

// pieceOf reads a [piece, log-probability] pair.
func pieceOf(pair [2]json.RawMessage) (text string, score float64, err error) {
	if err := json.Unmarshal(pair[0], &text); err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if pair[1] == nil {
		return "", 0, fmt.Errorf("%w: %.40q has no score", ErrFormat, text)
	}
	if err := json.Unmarshal(pair[1], &score); err != nil { // null leaves 0
		return "", 0, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return text, score, nil
}

func (u *Unigram) insert(text string, id int32, score float64) error {
	n := utf8.RuneCountInString(text)
	if n == 0 || n > maxPieceRunes || math.IsNaN(score) || math.IsInf(score, 0) {
		return fmt.Errorf("%w: %.40q with score %v", ErrFormat, text, score)
	}
	node := int32(0)
	for _, r := range text {
		to, ok := u.next[trieEdge{node, r}]
		if !ok {
			to = int32(len(u.next)) + 1
			u.next[trieEdge{node, r}] = to
		}
		node = to
	}
	u.pieces[node] = piece{id, score}
	u.runes = max(u.runes, n)
	return nil
}

// Size is the number of pieces, reserved ones included. Ids are below it.
func (u *Unigram) Size() int { return len(u.texts) }

// Encode returns the ids of the pieces of text, at most limit of them; what follows is not looked at. The text is put
// into Unicode form NFKC, a blank is put in front, blanks become U+2581, and runs of unknown symbols become a single
// id 0. A byte that is not UTF-8 is an unknown symbol. Empty text has no pieces.
func (u *Unigram) Encode(text string, limit int) []int32 {
	if text == "" || limit <= 0 {
		return nil
	}
	var it norm.Iter
	it.InitString(norm.NFKC, text)
	l := lattice{u: u, limit: limit, text: &it}
	l.window = append(l.window, space)
	l.ends = append(l.ends, pieceEnd{reached: true}, pieceEnd{})
	l.run()
	return l.ids
}

// Decode joins pieces, with a blank for each U+2581 but the first.
func (u *Unigram) Decode(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(u.piece(id))
	}
	return strings.TrimPrefix(strings.ReplaceAll(b.String(), string(space), " "), " ")
}

func (u *Unigram) piece(id int32) string {
	if id < 0 || int(id) >= len(u.texts) {
		return ""
	}
	return u.texts[id]
}

// source gives a text a few bytes at a time.
type source interface {
	Next() []byte
	Done() bool
}

// plain is a source of text that is normalised already.
type plain struct {
	text string
	buf  [64]byte
}

func (p *plain) Done() bool { return p.text == "" }

func (p *plain) Next() []byte {
	n := copy(p.buf[:], p.text)
	for i := 0; n < len(p.text) && i < utf8.UTFMax-1 && !utf8.RuneStart(p.text[n]); i++ {
		n--
	}
	p.text = p.text[n:]
	return p.buf[:n]
}

// appendWord appends the ids of a normalised text, at least limit of them if there are so many.
func (u *Unigram) appendWord(ids []int32, word string, limit int) []int32 {
	if word == "" {
		return ids
	}
	l := lattice{u: u, limit: limit, text: &plain{text: word}, ids: ids}
	l.ends = append(l.ends, pieceEnd{reached: true})
	l.run()
	return l.ids
}

func (u *Unigram) id(piece string) int32 {
	node := int32(0)
	for _, r := range piece {
		to, ok := u.next[trieEdge{node, r}]
		if !ok {
			return -1
		}
		node = to
	}
	if p, ok := u.pieces[node]; ok {
		return p.id
	}
	return -1
}

func (u *Unigram) size() int { return len(u.texts) }

// lattice finds the best cut by dynamic programming from left to right (Viterbi 1967). Where no piece crosses a place in
// the text, every cut passes through it: the pieces before it are settled and their symbols are let go. So memory is
// bounded by the longest chain of overlapping pieces, about a word, and the work ends with the last piece asked for.
type lattice struct {
	u       *Unigram
	limit   int
	text    source
	window  []rune     // symbols from the last settled place on
	ends    []pieceEnd // ends[i] is the best way to reach the place before window[i]; one longer than window
	ids     []int32
	way     []int // places where the pieces of a settled stretch end, last first
	unknown bool  // the last piece settled was an unknown one
}

// pieceEnd is the best way to reach a place: the last piece of it and the sum of the scores.
type pieceEnd struct {
	best    float64
	id      int32
	length  int32 // of the last piece, in runes
	reached bool
	unknown bool // the last piece is a symbol that no piece covers
}

func (l *lattice) run() {
	far := 0 // the farthest place that a piece from before i ends at
	for i := 0; ; {
		if i > 0 && i == far {
			l.settle(i)
			if len(l.ids) >= l.limit {
				l.ids = l.ids[:l.limit]
				return
			}
			i, far = 0, 0
		}
		l.fill(i + l.u.runes)
		if i == len(l.window) {
			return
		}
		if l.ends[i].reached {
			far = max(far, l.extend(i))
		}
		i++
	}
}

// fill reads symbols until the window holds n of them or the text ends.
func (l *lattice) fill(n int) {
	for len(l.window) < n && !l.text.Done() {
		for b := l.text.Next(); len(b) > 0; {
			r, size := utf8.DecodeRune(b)
			if r == utf8.RuneError && size == 1 && l.u.bytes != nil {
				r = badByte + rune(b[0]) // so that its byte is not lost
			}
			b = b[size:]
			if r == ' ' && l.u.published {
				r = space
			}
			l.window = append(l.window, r)
			l.ends = append(l.ends, pieceEnd{})
		}
	}
}

// badByte and 255 above it stand for bytes that are not UTF-8: no rune is so large.
const badByte = rune(utf8.MaxRune + 1)

// extend tries every piece that begins at place i and returns the farthest place that one ends at.
func (l *lattice) extend(i int) (far int) {
	node := int32(0)
	single := false
	for j := i; j < len(l.window); j++ {
		to, ok := l.u.next[trieEdge{node, l.window[j]}]
		if !ok {
			break
		}
		node = to
		if p, ok := l.u.pieces[node]; ok {
			l.relax(i, pieceEnd{best: p.score, id: p.id, length: int32(j + 1 - i)})
			far = j + 1
			single = single || j == i
		}
	}
	if far == 0 || (!single && !l.u.published) {
		l.relax(i, pieceEnd{best: l.u.unknownScore, id: l.u.unknown, length: 1, unknown: true})
		far = max(far, i+1)
	}
	return far
}

// relax offers a piece that begins at place i.
func (l *lattice) relax(i int, p pieceEnd) {
	p.best += l.ends[i].best
	p.reached = true
	e := &l.ends[i+int(p.length)]
	if l.u.published {
		if !e.reached || e.best == 0 || p.best >= e.best {
			*e = p
		}
	} else if !e.reached || p.best > e.best {
		*e = p
	}
}

// settle writes the pieces of the best way to place n and moves the window there.
func (l *lattice) settle(n int) {
	l.way = l.way[:0]
	for at := n; at > 0; at -= int(l.ends[at].length) {
		l.way = append(l.way, at)
	}
	for k := len(l.way) - 1; k >= 0; k-- {
		l.write(l.ends[l.way[k]], l.window[l.way[k]-1])
	}
	start := pieceEnd{best: l.ends[n].best, reached: true}
	l.window = l.window[:copy(l.window, l.window[n:])]
	l.ends = l.ends[:copy(l.ends, l.ends[n:])]
	l.ends[0] = start
}

// write appends the id of a piece that ends with symbol r. Of unknown symbols in a row only the first is written; where
// there are ids of bytes each of its bytes is.
func (l *lattice) write(e pieceEnd, r rune) {
	again := e.unknown && l.unknown
	l.unknown = e.unknown
	switch {
	case e.unknown && l.u.bytes != nil:
		var b [utf8.UTFMax]byte
		n := 1
		if r >= badByte {
			b[0] = byte(r - badByte)
		} else {
			n = utf8.EncodeRune(b[:], r)
		}
		for _, c := range b[:n] {
			l.ids = append(l.ids, l.u.bytes[c])
		}
	case !again && e.id >= 0:
		l.ids = append(l.ids, e.id)
	}
}
