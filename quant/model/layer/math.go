package layer

import "math"

// LayerNorm brings each of the rows of x to mean 0 and variance 1, multiplies by scale and adds bias (Ba et al. 2016,
// arXiv 1607.06450). Rows are as long as scale; epsilon is added to the variance. dst may be x.
func LayerNorm(dst, x []float32, rows int, scale, bias []float32, epsilon float64) {
	w := len(scale)
	for t := range rows {
		in, out := x[t*w:(t+1)*w], dst[t*w:(t+1)*w]
		var sum float64
		for _, v := range in {
			sum += float64(v)
		}
		mean := sum / float64(w)
		var square float64
		for _, v := range in {
			d := float64(v) - mean
			square += d * d
		}
		inv := 1 / math.Sqrt(square/float64(w)+epsilon)
		for i, v := range in {
			out[i] = float32((float64(v)-mean)*inv)*scale[i] + bias[i]
		}
	}
}

// Softmax turns scores into weights that add up to one. The greatest score is subtracted first, so that nothing
// overflows.
func Softmax(v []float32) {
	top := float32(math.Inf(-1))
	for _, x := range v {
		top = max(top, x)
	}
	var sum float64
	for i, x := range v {
		e := math.Exp(float64(x - top))
		v[i] = float32(e)
		sum += e
	}
	inv := float32(1 / sum)
	for i := range v {
		v[i] *= inv
	}
}

// ReLU sets what is below 0 to 0.
func ReLU(v []float32) {
	for i, x := range v {
		if x < 0 {
			v[i] = 0
		}
	}
}

// GELU multiplies every x by the share of a normal distribution below it, x/2 (1 + erf(x/sqrt 2)) (Hendrycks and Gimpel
// 2016, arXiv 1606.08415), as BERT does.
func GELU(v []float32) {
	for i, x := range v {
		v[i] = float32(0.5 * float64(x) * (1 + math.Erf(float64(x)*(1/math.Sqrt2))))
	}
}

// Tanh replaces every x by its hyperbolic tangent.
func Tanh(v []float32) {
	for i, x := range v {
		v[i] = float32(math.Tanh(float64(x)))
	}
}

// Unit brings v to length one. A squared length below least counts as least, so that zeros stay zeros.
func Unit(v []float32, least float64) {
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	inv := 1 / math.Sqrt(max(square, least))
	for i, x := range v {
		v[i] = float32(float64(x) * inv)
	}
}

// Add adds src to dst, which is not longer.
func Add(dst, src []float32) {
	for i, v := range src[:len(dst)] {
		dst[i] += v
	}
}
