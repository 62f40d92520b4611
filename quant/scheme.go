package quant

import "fmt"

// Granularity says which numbers of a matrix share a scale.
type Granularity uint8

// The granularities.
const (
	PerTensor  Granularity = iota + 1 // all numbers
	PerChannel                        // the numbers of a row, which make one output
	PerGroup                          // Scheme.GroupSize numbers one after the other, counted through the whole matrix
)

// String names the granularity as commands and reports do.
func (g Granularity) String() string {
	switch g {
	case PerTensor:
		return "tensor"
	case PerChannel:
		return "channel"
	case PerGroup:
		return "group"
	}
	return fmt.Sprintf("granularity(%d)", uint8(g))
}

// Scheme says how the numbers of a matrix become codes of few bits. A code q is a whole number from -2^(Bits-1) to
// 2^(Bits-1)-1 and stands for (q - zero) * scale.
type Scheme struct {
	Bits        int         // 2, 3, 4 or 8
	Symmetric   bool        // the zero point is 0
	Granularity Granularity // which numbers share scale and zero point
	GroupSize   int         // with PerGroup 1 or more, else 0

	// LeastSquares chooses scale and zero point so that the squared error is least, which may cut off extremes. Else
	// they span the numbers from the least to the greatest, so that no number is off by more than half a scale.
	LeastSquares bool
	// Coarse rounds scales to powers of 2^(1/8) and zero points to quarters (2 and 3 bits), or to powers of 2^(1/12) and
	// eighths (4 bits), so that stored with zstd they take about a third of a byte each for a loss of about a
	// hundredth of the error. 8 bits do not take it.
	Coarse bool
}

// MaxGroupSize bounds Scheme.GroupSize.
const MaxGroupSize = 1 << 20

// Check returns ErrParams where the scheme is none.
func (s Scheme) Check() error {
	switch {
	case s.Bits != 2 && s.Bits != 3 && s.Bits != 4 && s.Bits != 8:
		return fmt.Errorf("%w: codes of %d bits; 2, 3, 4 and 8 are known", ErrParams, s.Bits)
	case s.Granularity < PerTensor || s.Granularity > PerGroup:
		return fmt.Errorf("%w: %v", ErrParams, s.Granularity)
	case s.Granularity == PerGroup && (s.GroupSize < 1 || s.GroupSize > MaxGroupSize):
		return fmt.Errorf("%w: groups of %d numbers; 1 to %d can be had", ErrParams, s.GroupSize, MaxGroupSize)
	case s.Granularity != PerGroup && s.GroupSize != 0:
		return fmt.Errorf("%w: a group size of %d per %v", ErrParams, s.GroupSize, s.Granularity)
	case s.Coarse && s.Bits == 8:
		return fmt.Errorf("%w: coarse scales for 8 bits", ErrParams)
	}
	return nil
}

// Span is how many numbers of a rows x cols matrix share a scale, at least 1; the last may be fewer.
func (s Scheme) Span(rows, cols int) int {
	switch s.Granularity {
	case PerTensor:
		return max(rows*cols, 1)
	case PerChannel:
		return max(cols, 1)
	}
	return s.GroupSize
}

// Scales is how many scales a rows x cols matrix needs: one per tensor, one per row, or one per group begun.
func (s Scheme) Scales(rows, cols int) int {
	switch s.Granularity {
	case PerTensor:
		return 1
	case PerChannel:
		return rows
	}
	return (rows*cols + s.GroupSize - 1) / s.GroupSize
}

// low is the least code and top the number of steps from it to the greatest.
func (s Scheme) low() int { return -(1 << (s.Bits - 1)) }
func (s Scheme) top() int { return 1<<s.Bits - 1 }
