package accel

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

func TestCodeGatherAgreesWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for lines := 1; lines <= 20; lines++ {
		size := lines * CodeLine
		for _, count := range []int{0, 1, 2, 3, 4, 5, 7, 8, 33} {
			n := 50
			codes := make([]byte, n*size)
			for i := range codes {
				codes[i] = byte(r.Uint32())
			}
			for i := range n {
				binary.LittleEndian.PutUint32(codes[(i+1)*size-CodeTail:], math.Float32bits(float32(r.NormFloat64()*100)))
			}
			q := make([]int8, size)
			for i := range q[:size-CodeTail] {
				q[i] = int8(r.Uint32())
			}
			at := make([]uint32, count)
			for i := range at {
				at[i] = r.Uint32N(uint32(n))
			}
			var c CodeQuery
			c.Reset(q, 0.37)
			want := make([]float32, count)
			codeGatherGo(&c, codes, at, want)
			for _, l := range levels(t) {
				got := make([]float32, count)
				if count > 0 {
					l.codeGather(&c, codes, at, got)
				}
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("%v: %d bytes, record %d of %d: %v, want %v", l, size, i, count, got[i], want[i])
					}
				}
			}
		}
	}
}

func TestCodeQueryRefusesWhatIsNoRecord(t *testing.T) {
	for _, f := range []func(){
		func() { new(CodeQuery).Reset(make([]int8, 63), 1) },
		func() { q := make([]int8, 64); q[63] = 1; new(CodeQuery).Reset(q, 1) },
		func() {
			var c CodeQuery
			c.Reset(make([]int8, 64), 1)
			c.Gather(make([]byte, 128), []uint32{2}, make([]float32, 1))
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		}()
	}
	Prefetch(nil)
	Prefetch(make([]uint32, 33))
}
