package weights

import "engram/quant/internal/mapped"

// Forget tells the system that the bytes b will not be read soon, so that the pages they lie in need not stay in memory; a
// later read brings them back from the file. It is for slices that Float32, Tensor or Quantized returned with mapped true;
// others it leaves alone. b stays valid, for other goroutines too.
func (f *File) Forget(b []byte) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if m, ok := f.src.(*mapSource); ok && !f.closed {
		mapped.Forget(m.b, b)
	}
}
