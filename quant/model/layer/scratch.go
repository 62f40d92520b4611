package layer

// Scratch is the working memory of one goroutine, and the place where a layer says that it could not be read. The zero
// value is ready; it must not be used by two goroutines at once.
type Scratch struct {
	keys, query, scores []float32 // attention
	block               []float32 // rows of a matrix as numbers
	left                []int8    // inputs as bytes
	leftScales          []float32 // a number a row of them
	panel               []float32 // windows of pictures side by side
	err                 error
}

// Err returns the first error of a layer since the last call of Err, and forgets it. A layer that cannot be read writes
// zeros: whoever runs a network looks here once at its end, as one does with a bufio.Scanner.
func (s *Scratch) Err() error {
	err := s.err
	s.err = nil
	return err
}

func (s *Scratch) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Grow returns n elements of a buffer, which grows as needed. They are not cleared.
func Grow[T any](b *[]T, n int) []T {
	if cap(*b) < n {
		*b = make([]T, n+n/4)
	}
	return (*b)[:n]
}
