package media

import (
	"math"
	"sync"
)

// The filter of Resample: a sinc of sincZeros zero crossings on each side in a Kaiser window. It passes what lies below
// sincEdge of half the lower rate, and what would be heard as another pitch is 90 dB lower.
const (
	sincZeros = 48
	sincSteps = 512 // values of the table between two crossings; between those it is interpolated
	sincEdge  = 0.94
	sincBeta  = 9.0
)

// sincTable holds the right half of the filter.
var sincTable = sync.OnceValue(func() []float64 {
	t := make([]float64, sincZeros*sincSteps+2) // the last is 0, for the interpolation
	for i := range sincZeros*sincSteps + 1 {
		x := float64(i) / sincSteps
		r := x / sincZeros
		t[i] = sinc(x) * bessel0(sincBeta*math.Sqrt(max(1-r*r, 0))) / bessel0(sincBeta)
	}
	return t
})

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel0 is the modified Bessel function of the first kind of order 0, by its power series.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-17; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

// Resample returns the sound at another rate, s itself where it has that rate. It has as many samples as fit its duration, one
// at least. Outside of the sound there is silence. rate is 1 to 768,000.
//
// The value at a time is the sum over the samples weighted by a windowed sinc around it (J. O. Smith, Digital Audio
// Resampling, https://ccrma.stanford.edu/~jos/resample/).
func (s *Sound) Resample(rate int) *Sound {
	if rate == s.Rate {
		return s
	}
	table := sincTable()
	// cut is the width of the filter's pass band in units of half the source's rate.
	cut := min(float64(rate)/float64(s.Rate), 1) * sincEdge
	reach := sincZeros / cut // in samples of the source
	n := max(int(int64(len(s.Samples))*int64(rate)/int64(s.Rate)), 1)
	out := &Sound{Format: s.Format, Rate: rate, Samples: make([]float32, n)}
	for i := range out.Samples {
		at := int64(i) * int64(s.Rate)
		whole := int(at / int64(rate))
		at64 := float64(whole) + float64(at%int64(rate))/float64(rate)
		from, to := max(int(math.Ceil(at64-reach)), 0), min(int(at64+reach), len(s.Samples)-1)
		var sum float64
		for j := from; j <= to; j++ {
			x := abs(at64-float64(j)) * cut * sincSteps
			k := int(x)
			f := x - float64(k)
			sum += float64(s.Samples[j]) * (table[k] + f*(table[k+1]-table[k]))
		}
		out.Samples[i] = float32(sum * cut)
	}
	return out
}
