package weights

import "fmt"

// Values returns the elements of a tensor as float32, whatever type of number they have. They are a copy.
func (t *Tensor) Values() ([]float32, error) {
	size := t.DType.Size()
	if size == 0 || len(t.Data)%size != 0 {
		return nil, fmt.Errorf("%w: tensor %q has %d bytes of %v", ErrCorrupt, t.Name, len(t.Data), t.DType)
	}
	return toFloat32(t.DType, t.Data)
}
