package duck

import (
	"context"
	"fmt"
	"unsafe"
)

// FloatsFunction makes a FLOAT[] of a BLOB of little-endian float32. Every instance has it, because DuckDB takes a list
// parameter element by element: engram_floats($1::BLOB), with []float32 bound as a Blob, costs a few hundredths of $1::FLOAT[].
const FloatsFunction = "engram_floats"

func (i *Instance) registerFloats(c *Conn) error {
	return i.registerSet(c, FloatsFunction, []ScalarFunction{{
		Name: FloatsFunction, Params: []Type{Blob}, Returns: List(Float), Exec: floatsOfBytes,
	}})
}

func floatsOfBytes(_ context.Context, args []Vector, rows int, out *Writer) error {
	for i := range rows {
		b := args[0].Bytes(i)
		if len(b)%4 != 0 {
			return fmt.Errorf("duck: %s: %d bytes are not whole numbers of 4 bytes", FloatsFunction, len(b))
		}
		child, base, n := out.SetList(i, len(b)/4)
		if n > 0 {
			copy(unsafe.Slice((*byte)(unsafe.Add(child.data, base*4)), n*4), b)
		}
	}
	return nil
}

// floatBytes views v as its bytes. The machines DuckDB's libraries are built for are all little-endian.
func floatBytes(v []float32) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), len(v)*4)
}
