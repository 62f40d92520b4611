package model

// linear is a dense layer: y = x W^T + b, with W of out rows of in numbers, as the weight file has it.
type linear struct {
	w, b    []float32
	in, out int
}

// blockBytes is how much of W is worked on at a time: it stays in the first-level cache while all tokens pass.
const blockBytes = 32 << 10

// apply computes y for the rows of x, n*in numbers in, n*out numbers out. Every number of y is one inner product,
// summed in an order that depends on in alone: the other rows, and how many there are, make no difference to a bit.
func (l *linear) apply(y, x []float32, n int) {
	block := max(blockBytes/4/l.in&^3, 4)
	for from := 0; from < l.out; from += block {
		to := min(from+block, l.out)
		w := l.w[from*l.in : to*l.in]
		for t := range n {
			row := y[t*l.out+from : t*l.out+to]
			dotRows(x[t*l.in:(t+1)*l.in], w, row)
			for i, b := range l.b[from:to] {
				row[i] += b
			}
		}
	}
}

// dotRows sets dst[i] to the inner product of q and row i of rows.
func dotRows(q, rows, dst []float32) {
	d := len(q)
	i := 0
	for ; i+4 <= len(dst); i += 4 {
		r0, r1, r2, r3 := rows[i*d:(i+1)*d], rows[(i+1)*d:(i+2)*d], rows[(i+2)*d:(i+3)*d], rows[(i+3)*d:(i+4)*d]
		var s0, s1, s2, s3 float32
		for j, v := range q {
			s0 += v * r0[j]
			s1 += v * r1[j]
			s2 += v * r2[j]
			s3 += v * r3[j]
		}
		dst[i], dst[i+1], dst[i+2], dst[i+3] = s0, s1, s2, s3
	}
	for ; i < len(dst); i++ {
		var s float32
		for j, v := range q {
			s += v * rows[i*d+j]
		}
		dst[i] = s
	}
}
