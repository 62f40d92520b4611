package validate

import (
	"math"
	"slices"

	"engram/accel"
)

// nearest is how many near texts of each text are compared.
const nearest = 10

// pairTexts bounds the texts whose pairs are compared: pairs grow with the square.
const pairTexts = 2000

// compare fills in how alike two vectors of each text are. Vectors of one slice have one length.
func compare(texts []string, before, after [][]float32) *Likeness {
	l := &Likeness{Min: math.Inf(1)}
	cosines := make([]float64, len(texts))
	for i := range texts {
		cosines[i] = cosine(before[i], after[i])
		l.Mean += cosines[i] / float64(len(texts))
		if cosines[i] < l.Min {
			l.Min, l.Worst = cosines[i], texts[i]
		}
	}
	slices.Sort(cosines)
	l.P1, l.P5 = cosines[len(cosines)/100], cosines[len(cosines)/20]
	n := min(len(texts), pairTexts)
	a, b := similarities(before[:n]), similarities(after[:n])
	l.Spearman = spearman(upper(a, n), upper(b, n))
	l.Overlap = overlap(a, b, n)
	return l
}

// cosine is that of two vectors in float64; where one has no direction or is not finite it is -1, for then they are not alike.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return -1
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if c := ab / math.Sqrt(aa*bb); c == c {
		return min(c, 1)
	}
	return -1
}

// similarities are the n*n inner products of vectors made one long.
func similarities(vectors [][]float32) []float32 {
	n, dim := len(vectors), len(vectors[0])
	rows := make([]float32, 0, n*dim)
	for _, v := range vectors {
		inv := 1 / accel.Norm(v)
		if !(inv < math.MaxFloat32) {
			inv = 0
		}
		for _, x := range v {
			rows = append(rows, x*inv)
		}
	}
	s := make([]float32, n*n)
	accel.GemmNT(n, n, dim, rows, rows, s)
	return s
}

// upper are the similarities of all pairs of two different texts.
func upper(s []float32, n int) []float32 {
	pairs := make([]float32, 0, n*(n-1)/2)
	for i := range n {
		pairs = append(pairs, s[i*n+i+1:(i+1)*n]...)
	}
	return pairs
}

// spearman is the rank correlation of a and b (Spearman 1904), equal values sharing the mean of their ranks. It is 1 where there is
// nothing to order.
func spearman(a, b []float32) float64 {
	if len(a) < 2 {
		return 1
	}
	ra, rb := ranks(a), ranks(b)
	mean := float64(len(a)-1) / 2
	var ab, aa, bb float64
	for i := range ra {
		x, y := ra[i]-mean, rb[i]-mean
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	switch {
	case aa == 0 && bb == 0:
		return 1
	case aa == 0 || bb == 0:
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

func ranks(v []float32) []float64 {
	order := make([]int32, len(v))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int {
		switch {
		case v[i] < v[j]:
			return -1
		case v[i] > v[j]:
			return 1
		}
		return 0
	})
	r := make([]float64, len(v))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && v[order[to]] == v[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			r[i] = float64(from+to-1) / 2
		}
		from = to
	}
	return r
}

// overlap is the share of near texts that both orders name.
func overlap(a, b []float32, n int) float64 {
	k := min(nearest, n-1)
	if k == 0 {
		return 1
	}
	common := 0
	for i := range n {
		x, y := nearTo(a[i*n:(i+1)*n], i, k), nearTo(b[i*n:(i+1)*n], i, k)
		for _, j := range x {
			if slices.Contains(y, j) {
				common++
			}
		}
	}
	return float64(common) / float64(n*k)
}

// nearTo are the k most similar of row, without self.
func nearTo(row []float32, self, k int) []int {
	near := make([]int, 0, k+1)
	for j, s := range row {
		if j == self || len(near) == k && !(s > row[near[k-1]]) {
			continue
		}
		at := len(near)
		for at > 0 && s > row[near[at-1]] {
			at--
		}
		near = slices.Insert(near, at, j)
		near = near[:min(len(near), k)]
	}
	return near
}
