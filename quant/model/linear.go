package model

import "engram/accel"

// linear is a dense layer: y = x W^T + b, with W of out rows of in numbers, as the weight file has it.
type linear struct {
	w, b    []float32
	in, out int
}

// blockBytes is how much of W is worked on at a time: it stays in the first-level cache while all tokens pass.
const blockBytes = 32 << 10

// apply computes y for the rows of x, n*in numbers in, n*out numbers out. Every number of y is one inner product,
// which package accel sums in an order that depends on in alone: the other rows, and how many there are, make no
// difference to a bit.
func (l *linear) apply(y, x []float32, n int) {
	block := max(blockBytes/4/l.in&^3, 4)
	for from := 0; from < l.out; from += block {
		to := min(from+block, l.out)
		w := l.w[from*l.in : to*l.in]
		for t := range n {
			row := y[t*l.out+from : t*l.out+to]
			accel.DotRows(x[t*l.in:(t+1)*l.in], w, row)
			for i, b := range l.b[from:to] {
				row[i] += b
			}
		}
	}
}
