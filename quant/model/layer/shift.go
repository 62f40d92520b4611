package layer

import (
	"fmt"

	"engram/quant/weights"
)

// Shift adds by to the bias of the Linear whose weight has that name from now on; nil ends it. A quantizer gives layers so
// the corrections that it will write to their biases. by must stay as it is. It is an error if no Linear of that name was
// handed out or by has another length than its outputs.
func (p *Params) Shift(name string, by []float32) error {
	p.mu.Lock()
	t, ok := p.tensors[key{name: name}]
	p.mu.Unlock()
	switch {
	case !ok:
		return fmt.Errorf("%w: no dense layer %q of %s is in use", weights.ErrNoLayer, name, p.file.Path())
	case by == nil:
		t.shift.Store(nil)
	case len(by) != t.rows:
		return fmt.Errorf("%w: %d numbers for the %d outputs of layer %q", weights.ErrShape, len(by), t.rows, name)
	default:
		t.shift.Store(&by)
	}
	return nil
}
