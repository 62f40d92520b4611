package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/mewkiz/flac"
)

// Sound is a decoded sound of one channel.
type Sound struct {
	Format  string    // "wav" or "flac"
	Rate    int       // samples a second
	Samples []float32 // -1 to 1, the mean of the channels; a sound stored as floating-point numbers may go beyond
}

// maxRate bounds the samples a second; the fastest converters make 768,000.
const maxRate = 768_000

// maxChannels bounds the channels of a sound.
const maxChannels = 64

// DecodeSound decodes a sound. Its format is told by its first bytes. ErrFormat says that it is none of the formats of this
// package, ErrTooLarge that it is beyond the limits, ErrDecode that it is damaged or empty.
func DecodeSound(b []byte, l *Limits) (*Sound, error) {
	limits := l.orDefault()
	if len(b) > limits.Bytes {
		return nil, fmt.Errorf("%w: a sound of %d bytes, at most %d", ErrTooLarge, len(b), limits.Bytes)
	}
	var s *Sound
	var err error
	switch {
	case begins(b, "RIFF????WAVE"):
		s, err = decodeWAV(b, &limits)
	case begins(b, "fLaC"):
		err = guard("flac", func() (err error) {
			s, err = decodeFLAC(b, &limits)
			return err
		})
	default:
		return nil, fmt.Errorf("%w: %d bytes that are no WAV or FLAC", ErrFormat, len(b))
	}
	if err != nil {
		return nil, err
	}
	if len(s.Samples) == 0 {
		return nil, fmt.Errorf("%w: %s: no samples", ErrDecode, s.Format)
	}
	return s, nil
}

func checkForm(format string, rate, channels int) error {
	if rate < 1 || rate > maxRate || channels < 1 || channels > maxChannels {
		return fmt.Errorf("%w: %s: %d samples a second in %d channels", ErrDecode, format, rate, channels)
	}
	return nil
}

// decodeFLAC decodes a FLAC stream (RFC 9639). Memory grows with the samples that are there, not with what the header says.
func decodeFLAC(b []byte, limits *Limits) (*Sound, error) {
	st, err := flac.New(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%w: flac: %w", ErrDecode, err)
	}
	s := &Sound{Format: "flac", Rate: int(st.Info.SampleRate)}
	if err := checkForm(s.Format, s.Rate, int(st.Info.NChannels)); err != nil {
		return nil, err
	}
	for {
		f, err := st.ParseNext()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: flac: %w", ErrDecode, err)
		}
		n, bits := int(f.BlockSize), int(f.BitsPerSample)
		if n > limits.Samples-len(s.Samples) {
			return nil, fmt.Errorf("%w: a sound of more than %d samples", ErrTooLarge, limits.Samples)
		}
		if bits < 1 || bits > 32 {
			return nil, fmt.Errorf("%w: flac: %d bits a sample", ErrDecode, bits)
		}
		scale := 1 / (float64(int64(1)<<(bits-1)) * float64(len(f.Subframes)))
		for i := range n {
			var sum int64
			for _, sub := range f.Subframes {
				sum += int64(sub.Samples[i])
			}
			s.Samples = append(s.Samples, float32(float64(sum)*scale))
		}
	}
	if want := st.Info.NSamples; want != 0 && want != uint64(len(s.Samples)) {
		return nil, fmt.Errorf("%w: flac: %d samples, its header says %d", ErrDecode, len(s.Samples), want)
	}
	return s, nil
}
