package media

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The encodings of samples that are read (RFC 2361 lists them all).
const (
	wavPCM        = 1
	wavFloat      = 3
	wavExtensible = 0xfffe // the encoding stands in the first two bytes of a GUID
)

// wavForm is the chunk "fmt ".
type wavForm struct {
	encoding, channels, rate, bits int
}

// decodeWAV decodes a RIFF WAVE file of PCM (8, 16, 24, 32 bits) or floating-point numbers (32, 64 bits).
func decodeWAV(b []byte, limits *Limits) (*Sound, error) {
	var form *wavForm
	for rest := b[12:]; len(rest) >= 8; {
		id, n := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:]
		if id == "data" {
			// Programs that write to a pipe cannot go back to fill in the length; what they leave there means "to the end".
			if n == 0 || n == math.MaxUint32 || n == math.MaxInt32 {
				n = uint64(len(body))
			}
			if n > uint64(len(body)) {
				return nil, fmt.Errorf("%w: wav: %d bytes of samples, its header says %d", ErrDecode, len(body), n)
			}
			if form == nil {
				return nil, fmt.Errorf("%w: wav: samples before their form", ErrDecode)
			}
			return form.samples(body[:n], limits)
		}
		if n > uint64(len(body)) {
			return nil, fmt.Errorf("%w: wav: chunk %q of %d bytes, %d are left", ErrDecode, id, n, len(body))
		}
		if id == "fmt " {
			var err error
			if form, err = parseForm(body[:n]); err != nil {
				return nil, err
			}
		}
		rest = body[min(n+n&1, uint64(len(body))):] // chunks begin at even places
	}
	return nil, fmt.Errorf("%w: wav: no samples", ErrDecode)
}

func parseForm(b []byte) (*wavForm, error) {
	if len(b) < 16 {
		return nil, fmt.Errorf("%w: wav: chunk \"fmt \" of %d bytes", ErrDecode, len(b))
	}
	le := binary.LittleEndian
	rate := le.Uint32(b[4:])
	f := &wavForm{encoding: int(le.Uint16(b)), channels: int(le.Uint16(b[2:])), rate: int(min(rate, maxRate+1)), bits: int(le.Uint16(b[14:]))}
	if f.encoding == wavExtensible && len(b) >= 26 {
		f.encoding = int(le.Uint16(b[24:]))
	}
	if err := checkForm("wav", f.rate, f.channels); err != nil {
		return nil, err
	}
	if f.value() == nil {
		return nil, fmt.Errorf("%w: wav: encoding %#x of %d bits; PCM of 8, 16, 24 or 32 and floating point of 32 or 64 are read",
			ErrDecode, f.encoding, f.bits)
	}
	if align := int(le.Uint16(b[12:])); align != f.bits/8*f.channels {
		return nil, fmt.Errorf("%w: wav: %d bytes a sample of %d channels of %d bits", ErrDecode, align, f.channels, f.bits)
	}
	return f, nil
}

// value returns how a sample is read from its bytes, nil where that is not known.
func (f *wavForm) value() func(b []byte) float64 {
	le := binary.LittleEndian
	switch [2]int{f.encoding, f.bits} {
	case [2]int{wavPCM, 8}: // the only one without a sign
		return func(b []byte) float64 { return (float64(b[0]) - 128) / (1 << 7) }
	case [2]int{wavPCM, 16}:
		return func(b []byte) float64 { return float64(int16(le.Uint16(b))) / (1 << 15) }
	case [2]int{wavPCM, 24}:
		return func(b []byte) float64 {
			return float64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 31)
		}
	case [2]int{wavPCM, 32}:
		return func(b []byte) float64 { return float64(int32(le.Uint32(b))) / (1 << 31) }
	case [2]int{wavFloat, 32}:
		return func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) }
	case [2]int{wavFloat, 64}:
		return func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }
	}
	return nil
}

// maxAmplitude bounds a sample that is stored as a floating-point number.
const maxAmplitude = 1 << 15

func (f *wavForm) samples(b []byte, limits *Limits) (*Sound, error) {
	size := f.bits / 8
	frame := size * f.channels
	n := len(b) / frame // a last frame that is not whole is padding
	if n > limits.Samples {
		return nil, fmt.Errorf("%w: a sound of %d samples, at most %d", ErrTooLarge, n, limits.Samples)
	}
	value, s := f.value(), &Sound{Format: "wav", Rate: f.rate, Samples: make([]float32, n)}
	for i := range s.Samples {
		var sum float64
		for c := range f.channels {
			sum += value(b[i*frame+c*size:])
		}
		mean := sum / float64(f.channels)
		if !(mean >= -maxAmplitude && mean <= maxAmplitude) { // NaN too
			return nil, fmt.Errorf("%w: wav: sample %d is %v", ErrDecode, i, mean)
		}
		s.Samples[i] = float32(mean)
	}
	return s, nil
}
