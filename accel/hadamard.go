package accel

//go:generate sh -c "cd _gen && go run main.go -op hadamard -out ../hadamard_amd64.s -stubs ../hadamard_amd64.go -pkg accel"

// Hadamard multiplies v by the diagonal matrix of factors and then by the Hadamard matrix of its length, which must be a
// power of two (or 0): v becomes H*diag(factors)*v. Element (i, j) of H is 1 or -1, the parity of i&j; with factors of
// 1/sqrt(len(v)), signs at will, the whole is an orthogonal matrix. The result has the same bits at every level.
func Hadamard(v, factors []float32) {
	same(len(v), len(factors))
	if len(v)&(len(v)-1) != 0 {
		panic("accel: the length of a Hadamard transform is a power of two")
	}
	current.hadamard(v, factors)
}

func hadamardGo(v, factors []float32) {
	for i, f := range factors {
		v[i] *= f
	}
	for h := 1; h < len(v); h *= 2 {
		for i := 0; i < len(v); i += 2 * h {
			low, high := v[i:i+h], v[i+h:i+2*h]
			for j, a := range low {
				b := high[j]
				low[j], high[j] = a+b, a-b
			}
		}
	}
}
