package token

import "sync"

// joiner says which neighbours may become one piece.
type joiner interface {
	// join gives the piece that two neighbours make of text, and its turn: of all pairs the one of the least turn is
	// joined first, of equal ones the leftmost.
	join(text string, left, right *symbol) (id int32, turn float64, ok bool)
}

// symbol is a piece of a text that is being put together.
type symbol struct {
	id         int32
	alive      bool
	from, to   int // bytes of the text
	prev, next int // neighbours; -1 at the ends
}

// pair is two neighbours that may be joined, as they were when it was found.
type pair struct {
	turn        float64
	at          int // the left one
	left, right int32
	id          int32 // of both together
}

func (p *pair) before(q *pair) bool { return p.turn < q.turn || (p.turn == q.turn && p.at < q.at) }

// merger joins pairs until none can be joined. With n symbols it takes n log n time: pairs wait in a heap, and one whose
// symbols have changed meanwhile is dropped when its turn comes.
type merger struct {
	symbols []symbol
	heap    []pair
}

var mergers = sync.Pool{New: func() any { return new(merger) }}

func (m *merger) reset() { m.symbols, m.heap = m.symbols[:0], m.heap[:0] }

// add puts a symbol at the end.
func (m *merger) add(id int32, from, to int) {
	n := len(m.symbols)
	if n > 0 {
		m.symbols[n-1].next = n
	}
	m.symbols = append(m.symbols, symbol{id: id, alive: true, from: from, to: to, prev: n - 1, next: -1})
}

// run joins what can be joined and appends the ids that are left.
func (m *merger) run(ids []int32, text string, j joiner) []int32 {
	for i := range len(m.symbols) - 1 {
		m.offer(text, j, i)
	}
	for len(m.heap) > 0 {
		p := m.pop()
		left := &m.symbols[p.at]
		if !left.alive || left.id != p.left || left.next < 0 || m.symbols[left.next].id != p.right {
			continue
		}
		right := &m.symbols[left.next]
		right.alive = false
		left.id, left.to, left.next = p.id, right.to, right.next
		if left.next >= 0 {
			m.symbols[left.next].prev = p.at
			m.offer(text, j, p.at)
		}
		if left.prev >= 0 {
			m.offer(text, j, left.prev)
		}
	}
	for i := 0; i >= 0 && i < len(m.symbols); i = m.symbols[i].next {
		ids = append(ids, m.symbols[i].id)
	}
	return ids
}

// offer puts the pair that begins with symbol i into the heap if it can be joined.
func (m *merger) offer(text string, j joiner, i int) {
	left := &m.symbols[i]
	right := &m.symbols[left.next]
	if id, turn, ok := j.join(text, left, right); ok {
		m.push(pair{turn: turn, at: i, left: left.id, right: right.id, id: id})
	}
}

func (m *merger) push(p pair) {
	m.heap = append(m.heap, p)
	for i := len(m.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !m.heap[i].before(&m.heap[up]) {
			return
		}
		m.heap[i], m.heap[up] = m.heap[up], m.heap[i]
		i = up
	}
}

func (m *merger) pop() pair {
	top := m.heap[0]
	n := len(m.heap) - 1
	m.heap[0] = m.heap[n]
	m.heap = m.heap[:n]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < n; c++ {
			if m.heap[c].before(&m.heap[least]) {
				least = c
			}
		}
		if least == i {
			return top
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}
