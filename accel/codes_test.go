package accel

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

func TestCodeGatherAgreesWithReference(t *testing.T) {
	for _, nibbles := range []bool{false, true} {
		codeGatherAgrees(t, nibbles)
	}
}

func codeGatherAgrees(t *testing.T, nibbles bool) {
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
			q := randomCodeQuery(r, size)
			if nibbles {
				q = append(q, randomCodeQuery(r, size)...)
			}
			at := make([]uint32, count)
			for i := range at {
				at[i] = r.Uint32N(uint32(n))
			}
			var c CodeQuery
			if nibbles {
				c.ResetNibbles(q, 0.37)
			} else {
				c.Reset(q, 0.37)
			}
			want := make([]float32, count)
			codeGatherGo(&c, codes, at, want)
			for i, o := range at {
				if naive := naiveScore(q, codes[int(o)*size:][:size], 0.37, nibbles); naive != want[i] {
					t.Fatalf("%d bytes, record %d of %d: %v, naively %v", size, i, count, want[i], naive)
				}
			}
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

// randomCodeQuery is a query for size bytes that ends in the zeros of the tail.
func randomCodeQuery(r *rand.Rand, size int) []int8 {
	q := make([]int8, size)
	for i := range q[:size-CodeTail] {
		q[i] = int8(r.Uint32())
	}
	return q
}

// naiveScore is the formula of CodeQuery, taken literally.
func naiveScore(q []int8, record []byte, scale float32, nibbles bool) float32 {
	size, sum := len(record), 0
	for i := range record[:size-CodeTail] {
		if nibbles {
			sum += int(q[i])*(2*int(record[i]&15)-15) + int(q[size+i])*(2*int(record[i]>>4)-15)
		} else {
			sum += int(q[i]) * (int(record[i]) - 128)
		}
	}
	product := float32(float32(sum) * scale) // rounded before the sum
	return product + math.Float32frombits(binary.LittleEndian.Uint32(record[size-CodeTail:]))
}

func TestCodeQueryRefusesWhatIsNoRecord(t *testing.T) {
	for _, f := range []func(){
		func() { new(CodeQuery).Reset(make([]int8, 63), 1) },
		func() { q := make([]int8, 64); q[63] = 1; new(CodeQuery).Reset(q, 1) },
		func() { new(CodeQuery).ResetNibbles(make([]int8, 129), 1) },
		func() { q := make([]int8, 128); q[60] = 1; new(CodeQuery).ResetNibbles(q, 1) },
		func() { q := make([]int8, 128); q[127] = 1; new(CodeQuery).ResetNibbles(q, 1) },
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
