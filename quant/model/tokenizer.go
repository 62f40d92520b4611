package model

import (
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits on a vocabulary, well above those of any model known.
const (
	maxVocabBytes  = 64 << 20
	maxVocabPieces = 1 << 20
	maxPieceRunes  = 256
)

// space is what stands for a blank inside pieces (U+2581).
const space = '\u2581'

// unknown is the id of everything that no piece covers.
const unknown = 0

// Unigram splits text into pieces by a unigram language model, as SentencePiece does (Kudo 2018,
// https://arxiv.org/abs/1804.10959): among all ways to cut the text the one whose pieces have the greatest sum of
// log-probabilities. It is safe for concurrent use.
type Unigram struct {
	next   map[trieEdge]int32 // the trie over the runes of the pieces; node 0 is its root
	pieces map[int32]piece    // the piece that ends at a node
	size   int                // pieces in the vocabulary
	runes  int                // of the longest piece
}

type trieEdge struct {
	node int32
	r    rune
}

type piece struct {
	id    int32
	score float64
}

// NewUnigram makes a tokenizer from a vocabulary: a JSON array of [piece, log-probability] pairs, where the place of a
// pair is the id of its piece. The first reserved pieces are never produced from text; id 0 stands for the unknown. A
// log-probability of null counts as 0, and of equal pieces the last counts: the vocabulary of use-lite has both, and
// the model was published with a tokenizer that reads them so.
func NewUnigram(vocab []byte, reserved int) (*Unigram, error) {
	if len(vocab) > maxVocabBytes {
		return nil, fmt.Errorf("%w: vocabulary of %d bytes, at most %d", ErrManifest, len(vocab), maxVocabBytes)
	}
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal(vocab, &pairs); err != nil {
		return nil, fmt.Errorf("%w: vocabulary: %w", ErrManifest, err)
	}
	if len(pairs) <= reserved || len(pairs) > maxVocabPieces || reserved < 1 {
		return nil, fmt.Errorf("%w: vocabulary of %d pieces, %d of them reserved", ErrManifest, len(pairs), reserved)
	}
	u := &Unigram{next: map[trieEdge]int32{}, pieces: map[int32]piece{}, size: len(pairs)}
	for id := reserved; id < len(pairs); id++ {
		var text string
		var score *float64
		if err := json.Unmarshal(pairs[id][0], &text); err != nil {
			return nil, fmt.Errorf("%w: piece %d: %w", ErrManifest, id, err)
		}
		if pairs[id][1] == nil {
			return nil, fmt.Errorf("%w: piece %d has no score", ErrManifest, id)
		}
		if err := json.Unmarshal(pairs[id][1], &score); err != nil {
			return nil, fmt.Errorf("%w: piece %d: %w", ErrManifest, id, err)
		}
		if score == nil {
			score = new(float64)
		}
		if err := u.insert(text, int32(id), *score); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func (u *Unigram) insert(text string, id int32, score float64) error {
	n := utf8.RuneCountInString(text)
	if n == 0 || n > maxPieceRunes || math.IsNaN(score) || math.IsInf(score, 0) {
		return fmt.Errorf("%w: piece %d %.40q with score %v", ErrManifest, id, text, score)
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
func (u *Unigram) Size() int { return u.size }

// Encode returns the ids of the pieces of text, at most limit of them; what follows is not looked at. The text is put
// into Unicode form NFKC, a blank is put in front, blanks become U+2581, and runs of unknown symbols become a single
// id 0. A byte that is not UTF-8 is an unknown symbol. Empty text has no pieces.
func (u *Unigram) Encode(text string, limit int) []int32 {
	if text == "" || limit <= 0 {
		return nil
	}
	l := lattice{u: u, limit: limit}
	l.it.InitString(norm.NFKC, text)
	l.window = append(l.window, space)
	l.ends = append(l.ends, pieceEnd{reached: true}, pieceEnd{})
	l.run()
	return l.ids
}

// lattice finds the best cut by dynamic programming from left to right (Viterbi 1967). Where no piece crosses a place in
// the text, every cut passes through it: the pieces before it are settled and their symbols are let go. So memory is
// bounded by the longest chain of overlapping pieces, about a word, and the work ends with the last piece asked for.
type lattice struct {
	u      *Unigram
	limit  int
	it     norm.Iter
	window []rune     // symbols from the last settled place on
	ends   []pieceEnd // ends[i] is the best way to reach the place before window[i]; one longer than window
	ids    []int32
}

// pieceEnd is the best way to reach a place: the last piece of it and the sum of the scores.
type pieceEnd struct {
	best    float64
	id      int32
	length  int32 // of the last piece, in runes
	reached bool
}

func (l *lattice) run() {
	far := 0 // the farthest place that a piece from before i ends at
	for i := 0; ; {
		if i > 0 && i == far {
			l.settle(i)
			if len(l.ids) >= l.limit {
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
	for len(l.window) < n && !l.it.Done() {
		for b := l.it.Next(); len(b) > 0; {
			r, size := utf8.DecodeRune(b)
			b = b[size:]
			if r == ' ' {
				r = space
			}
			l.window = append(l.window, r)
			l.ends = append(l.ends, pieceEnd{})
		}
	}
}

// extend tries every piece that begins at place i and returns the farthest place that one ends at. Where no piece
// begins, the symbol is unknown and costs nothing.
func (l *lattice) extend(i int) (far int) {
	node := int32(0)
	for j := i; j < len(l.window); j++ {
		to, ok := l.u.next[trieEdge{node, l.window[j]}]
		if !ok {
			break
		}
		node = to
		if p, ok := l.u.pieces[node]; ok {
			l.relax(i, j+1, p)
			far = j + 1
		}
	}
	if far == 0 {
		l.relax(i, i+1, piece{id: unknown})
		far = i + 1
	}
	return far
}

// relax offers a piece from place i to place j. Of equal sums the later, that is the shorter last piece, wins; and a sum
// of exactly 0 counts as none yet, because the tokenizer that the model was published with has it so.
func (l *lattice) relax(i, j int, p piece) {
	sum := l.ends[i].best + p.score
	if e := &l.ends[j]; !e.reached || e.best == 0 || sum >= e.best {
		*e = pieceEnd{best: sum, id: p.id, length: int32(j - i), reached: true}
	}
}

// settle writes the pieces of the best way to place n and moves the window there.
func (l *lattice) settle(n int) {
	from := len(l.ids)
	for at := n; at > 0; at -= int(l.ends[at].length) {
		l.ids = append(l.ids, l.ends[at].id)
	}
	found := l.ids[from:]
	for a, b := 0, len(found)-1; a < b; a, b = a+1, b-1 {
		found[a], found[b] = found[b], found[a]
	}
	l.ids = l.ids[:from]
	for _, id := range found {
		if id == unknown && len(l.ids) > 0 && l.ids[len(l.ids)-1] == unknown {
			continue
		}
		l.ids = append(l.ids, id)
	}
	if len(l.ids) > l.limit {
		l.ids = l.ids[:l.limit]
	}
	start := pieceEnd{best: l.ends[n].best, reached: true}
	l.window = l.window[:copy(l.window, l.window[n:])]
	l.ends = l.ends[:copy(l.ends, l.ends[n:])]
	l.ends[0] = start
}
