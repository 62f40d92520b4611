package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"engram/accel"
)

// SQ8Query scores a vector against codes that lie one after the other. It may be used by many
// goroutines at once. Rows that do not exist panic.
type SQ8Query struct {
	s      *SQ8
	metric accel.Metric
	codes  []byte
	elems  []int8  // code of the query, zeros where codes have their tail
	t      tail    // of the query: less the centre for L2, as it is for the others
	shift  float64 // inner product with the centre, InnerProduct and Cosine
	off    float64 // squared length of the query as encoded
	length float64 // its root
}

// Query makes v ready to be scored against codes, which are whole codes of s and must not change
// meanwhile; v is not kept. The metric is L2, InnerProduct or Cosine, another fails with accel.ErrMetric. Other errors
// are ErrDimension and ErrCode.
func (s *SQ8) Query(metric accel.Metric, v []float32, codes []byte) (*SQ8Query, error) {
	if len(v) != s.dim {
		return nil, fmt.Errorf("%w %d and %d", ErrDimension, s.dim, len(v))
	}
	if err := s.check(metric, codes); err != nil {
		return nil, err
	}
	q := &SQ8Query{s: s, metric: metric, codes: codes}
	// The zeros at the end let the kernel run over whole codes, tails included, as if they were elements.
	code := make([]byte, s.CodeSize())
	if metric == accel.L2 {
		q.t = s.encode(code[:s.dim], v, s.centre)
	} else {
		q.t = s.encode(code[:s.dim], v, nil)
		for i, c := range s.centre {
			q.shift += float64(c) * float64(v[i])
		}
	}
	q.elems, q.off = signed(code), q.t.off()
	q.length = math.Sqrt(q.off)
	return q, nil
}

// check fails unless metric can be scored and codes are whole.
func (s *SQ8) check(metric accel.Metric, codes []byte) error {
	switch metric {
	case accel.L2, accel.InnerProduct, accel.Cosine:
	default:
		return fmt.Errorf("%w: %v over sq8 codes", accel.ErrMetric, metric)
	}
	if len(codes)%s.CodeSize() != 0 {
		return fmt.Errorf("%w: %d bytes are not codes of %d", ErrCode, len(codes), s.CodeSize())
	}
	return nil
}

// signed sees bytes as what they hold.
func signed(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

// Len is how many codes there are.
func (q *SQ8Query) Len() int { return len(q.codes) / q.s.CodeSize() }

// dots is how many integer products wait on the stack for their scales.
const dots = 256

// Score writes to dst[i] about how far row ords[i] is: what the metric's Dist gives for the vector that
// was encoded, within the error ScoreError tells.
func (q *SQ8Query) Score(ords []uint32, dst []float32) {
	var buf [dots]int32
	for len(ords) > 0 {
		n := min(dots, len(ords))
		accel.DotInt8Gather(q.elems, signed(q.codes), ords[:n], buf[:n])
		for i, ord := range ords[:n] {
			dst[i] = q.dist(buf[i], q.tail(ord))
		}
		ords, dst = ords[n:], dst[n:]
	}
}

// ScoreRange is Score for row from+i.
func (q *SQ8Query) ScoreRange(from uint32, dst []float32) {
	var buf [dots]int32
	size := q.s.CodeSize()
	for len(dst) > 0 {
		n := min(dots, len(dst))
		rows := q.codes[int(from)*size : (int(from)+n)*size]
		accel.DotInt8Rows(q.elems, signed(rows), buf[:n])
		for i := range dst[:n] {
			dst[i] = q.dist(buf[i], q.tail(from+uint32(i)))
		}
		from, dst = from+uint32(n), dst[n:]
	}
}

// ScoreError is Score that also writes to bound[i] how much dst[i] can differ from the exact dist of
// the vector that was encoded, either way. A row with dst - bound beyond the k-th best exact dist need not be looked at.
func (q *SQ8Query) ScoreError(ords []uint32, dst, bound []float32) {
	var buf [dots]int32
	for len(ords) > 0 {
		n := min(dots, len(ords))
		accel.DotInt8Gather(q.elems, signed(q.codes), ords[:n], buf[:n])
		for i, ord := range ords[:n] {
			t := readTail(q.tail(ord)[:])
			dst[i] = q.dist(buf[i], q.tail(ord))
			bound[i] = q.bound(dst[i], t)
		}
		ords, dst, bound = ords[n:], dst[n:], bound[n:]
	}
}

// tail is where the numbers beside the elements of row ord are.
func (q *SQ8Query) tail(ord uint32) *[sq8Tail]byte {
	size := q.s.CodeSize()
	end := (int(ord) + 1) * size
	return (*[sq8Tail]byte)(q.codes[end-sq8Tail : end])
}

// dist makes a dist of an integer inner product. For L2 it is the exact squared distance of the decoded
// vectors.
func (q *SQ8Query) dist(dot int32, b *[sq8Tail]byte) float32 {
	scale := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[:])))
	ip := float64(q.t.scale) * scale * float64(dot)
	switch q.metric {
	case accel.L2:
		x := scale*scale*float64(binary.LittleEndian.Uint32(b[8:])) + q.off - 2*ip
		if x < 0 {
			x = 0
		}
		return float32(x)
	case accel.InnerProduct:
		return float32(-(ip + q.shift))
	}
	return cosine(ip+q.shift, float64(math.Float32frombits(binary.LittleEndian.Uint32(b[12:]))), float64(q.t.sq))
}

// cosine is the cosine distance, NaN for a vector of zeros.
func cosine(ip, sqA, sqB float64) float32 {
	sq := sqA * sqB
	if sq == 0 {
		return float32(math.NaN())
	}
	sim := ip / math.Sqrt(sq)
	if sim > 1 {
		sim = 1
	} else if sim < -1 {
		sim = -1
	}
	return float32(1 - sim)
}

// bound is the error of the score d. With q and x as they were, q' and x' as decoded, and e what
// rounding lost of each, the triangle inequality gives for L2
//
//	| |q - x| - |q' - x'| | <= e_q + e_x
//
// and Cauchy and Schwarz give for the inner product
//
//	|<q, x> - <q', x'>| <= |q'| e_x + e_q |x'| + e_q e_x
//
// to which comes a share for the roundings to float32 on the way.
func (q *SQ8Query) bound(d float32, t tail) float32 {
	const rounding = 8.0 / (1 << 24)
	lost, own, off := float64(t.lost), float64(q.t.lost), math.Sqrt(t.off())
	if q.metric == accel.L2 {
		e := lost + own + rounding*(q.length+off+lost+own)
		return up((2*math.Sqrt(float64(d))+e)*e*(1+rounding) + rounding*float64(d))
	}
	e := q.length*lost + own*off + own*lost
	e += rounding * (e + q.length*off + math.Abs(q.shift))
	if q.metric == accel.InnerProduct {
		return up(e)
	}
	sq := float64(t.sq) * float64(q.t.sq)
	if sq == 0 {
		return float32(math.NaN())
	}
	return up(e/math.Sqrt(sq)*(1+rounding) + rounding)
}

// SQ8Space measures codes against each other, for building an index. It may be used by many goroutines at once.
type SQ8Space struct {
	s      *SQ8
	metric accel.Metric
	codes  []byte
}

// Space makes codes, which are whole codes of s and must not change meanwhile, a space. The metric is
// L2, InnerProduct or Cosine. Errors are accel.ErrMetric and ErrCode.
func (s *SQ8) Space(metric accel.Metric, codes []byte) (*SQ8Space, error) {
	if err := s.check(metric, codes); err != nil {
		return nil, err
	}
	return &SQ8Space{s, metric, codes}, nil
}

// Len is how many codes there are.
func (p *SQ8Space) Len() int { return len(p.codes) / p.s.CodeSize() }

// Between is about how far rows a and b are from each other. Rows that do not exist panic.
func (p *SQ8Space) Between(a, b uint32) float32 {
	size := p.s.CodeSize()
	x, y := p.codes[int(a)*size:(int(a)+1)*size], p.codes[int(b)*size:(int(b)+1)*size]
	s, t := p.s.tailOf(x), p.s.tailOf(y)
	dot := accel.DotInt8(signed(x[:p.s.dim]), signed(y[:p.s.dim]))
	ip := float64(s.scale) * float64(t.scale) * float64(dot)
	if p.metric == accel.L2 {
		d := s.off() + t.off() - 2*ip
		if d < 0 {
			d = 0
		}
		return float32(d)
	}
	if p.s.centre != nil {
		// With x = x' + c: <x, y> = <x', y'> + <x', c> + <y', c> + |c|^2 and 2 <x', c> = |x|^2 - |x'|^2 - |c|^2,
		// where |x'|^2 is taken as the decoded one and what rounding lost.
		ip += (float64(s.sq) - s.off() - sqr(s.lost) + float64(t.sq) - t.off() - sqr(t.lost)) / 2
	}
	if p.metric == accel.InnerProduct {
		return float32(-ip)
	}
	return cosine(ip, float64(s.sq), float64(t.sq))
}

func sqr(x float32) float64 { return float64(x) * float64(x) }
