package accel

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrMetric says that a metric is unknown or does not fit what it is asked to compare.
var ErrMetric = errors.New("accel: no such metric")

// Metric says what near means. The numbers are written to disk and never change.
type Metric uint8

const (
	L2           Metric = 1 // Euclidean distance
	InnerProduct Metric = 2 // negative inner product
	Cosine       Metric = 3 // one minus the cosine
	L1           Metric = 4 // sum of absolute differences
	Hamming      Metric = 5 // differing bits
	Jaccard      Metric = 6 // one minus shared bits over all bits
)

var metricNames = [...]string{L2: "l2", InnerProduct: "ip", Cosine: "cosine", L1: "l1", Hamming: "hamming", Jaccard: "jaccard"}

// String is the name ParseMetric reads: l2, ip, cosine, l1, hamming or jaccard.
func (m Metric) String() string {
	if !m.Valid() {
		return fmt.Sprintf("metric(%d)", uint8(m))
	}
	return metricNames[m]
}

// ParseMetric reads the name of a metric, in any case. It takes what String gives and the longer
// names inner_product, euclidean and manhattan.
func ParseMetric(s string) (Metric, error) {
	switch name := strings.ToLower(s); name {
	case "inner_product":
		return InnerProduct, nil
	case "euclidean":
		return L2, nil
	case "manhattan":
		return L1, nil
	default:
		for m := L2; m <= Jaccard; m++ {
			if metricNames[m] == name {
				return m, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: %q (l2, ip, cosine, l1, hamming, jaccard)", ErrMetric, s)
}

// Valid reports whether m is one of the six metrics.
func (m Metric) Valid() bool { return m >= L2 && m <= Jaccard }

// Bits reports whether m compares packed bits rather than float32 vectors.
func (m Metric) Bits() bool { return m == Hamming || m == Jaccard }

// Dist is how far b is from a for ranking: smaller is nearer. It is the squared distance for L2, the
// negated inner product for InnerProduct, and what Reported gives for the others. It panics for metrics
// of bits and slices of unequal length. Inside a loop, take Distance or a Query before it.
func (m Metric) Dist(a, b []float32) float32 {
	switch m {
	case L2:
		return L2Sq(a, b)
	case InnerProduct:
		return -Dot(a, b)
	case Cosine:
		return CosineDist(a, b)
	case L1:
		return L1Dist(a, b)
	}
	panic("accel: metric " + m.String() + " does not compare float32 vectors")
}

// Distance is the function behind Dist, nil for a metric that does not compare float32 vectors.
func (m Metric) Distance() func(a, b []float32) float32 {
	switch m {
	case L2:
		return L2Sq
	case InnerProduct:
		return negDot
	case Cosine:
		return CosineDist
	case L1:
		return L1Dist
	}
	return nil
}

func negDot(a, b []float32) float32 { return -Dot(a, b) }

// BitDistance is the function that ranks packed bits by m, nil for a metric of float32 vectors.
func (m Metric) BitDistance() func(a, b []byte) float32 {
	switch m {
	case Hamming:
		return func(a, b []byte) float32 { return float32(HammingDist(a, b)) }
	case Jaccard:
		return JaccardDist
	}
	return nil
}

// Reported turns a dist used for ranking into the number a user sees, which is what pgvector's operator
// gives: <-> the Euclidean distance, <#> the negative inner product, <=> the cosine distance (NaN for
// a vector of zeros), <+> the L1 distance, <~> the Hamming and <%> the Jaccard distance.
func (m Metric) Reported(dist float32) float64 {
	if m == L2 {
		return math.Sqrt(float64(dist))
	}
	return float64(dist)
}

// Ranked is the inverse of Reported: the dist whose reported distance is d, rounded to float32. It
// turns a bound the user gave into one for ranking.
func (m Metric) Ranked(d float64) float32 {
	if m == L2 {
		if d < 0 {
			return float32(math.Inf(-1)) // nothing is that near
		}
		return float32(d * d)
	}
	return float32(d)
}
