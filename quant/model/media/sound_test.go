package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
	"pgregory.net/rapid"
)

// wav lays out a WAV file. value writes one sample.
func wav(encoding, channels, rate, bits int, values []float64) []byte {
	le := binary.LittleEndian
	var data []byte
	for _, v := range values {
		switch {
		case encoding == wavFloat && bits == 32:
			data = le.AppendUint32(data, math.Float32bits(float32(v)))
		case encoding == wavFloat:
			data = le.AppendUint64(data, math.Float64bits(v))
		case bits == 8:
			data = append(data, byte(v*128+128))
		case bits == 16:
			data = le.AppendUint16(data, uint16(int16(v*(1<<15))))
		case bits == 24:
			data = append(data, le.AppendUint32(nil, uint32(int32(v*(1<<23))))[:3]...)
		default:
			data = le.AppendUint32(data, uint32(int32(v*(1<<31))))
		}
	}
	return wavData(encoding, channels, rate, bits, data)
}

func wavData(encoding, channels, rate, bits int, data []byte) []byte {
	le := binary.LittleEndian
	b := append([]byte("RIFF\x00\x00\x00\x00WAVE"), "LIST\x03\x00\x00\x00abc\x00fmt \x10\x00\x00\x00"...)
	b = le.AppendUint16(le.AppendUint16(b, uint16(encoding)), uint16(channels))
	b = le.AppendUint32(le.AppendUint32(b, uint32(rate)), uint32(rate*channels*bits/8))
	b = le.AppendUint16(le.AppendUint16(b, uint16(channels*bits/8)), uint16(bits))
	b = le.AppendUint32(append(b, "data"...), uint32(len(data)))
	return append(b, data...)
}

func TestWAVForms(t *testing.T) {
	values := []float64{0, 0.5, -0.5, 0.25, -1, 0.75}
	for _, form := range [][2]int{{wavPCM, 8}, {wavPCM, 16}, {wavPCM, 24}, {wavPCM, 32}, {wavFloat, 32}, {wavFloat, 64}} {
		for _, channels := range []int{1, 2, 3} {
			s, err := DecodeSound(wav(form[0], channels, 8000, form[1], values), nil)
			if err != nil {
				t.Errorf("%v: %v", form, err)
				continue
			}
			var want []float32
			for c := range slices.Chunk(values, channels) {
				var sum float64
				for _, v := range c {
					sum += v
				}
				want = append(want, float32(sum/float64(channels)))
			}
			if s.Format != "wav" || s.Rate != 8000 || !slices.Equal(s.Samples, want) {
				t.Errorf("%v in %d channels: %+v, want %v", form, channels, s, want)
			}
		}
	}
}

// TestWAVOddities reads what real programs write.
func TestWAVOddities(t *testing.T) {
	plain := wav(wavPCM, 1, 16000, 16, []float64{0.5, -0.5})
	at := bytes.Index(plain, []byte("data")) + 4
	for _, length := range []uint32{0, math.MaxUint32, math.MaxInt32} { // written to a pipe
		b := bytes.Clone(plain)
		binary.LittleEndian.PutUint32(b[at:], length)
		if s, err := DecodeSound(b, nil); err != nil || !slices.Equal(s.Samples, []float32{0.5, -0.5}) {
			t.Errorf("length %d: %v, err %v", length, s, err)
		}
	}
	// The extensible form names its encoding in a GUID.
	fmtAt := bytes.Index(plain, []byte("fmt ")) + 4
	b := append(bytes.Clone(plain[:fmtAt]), 40, 0, 0, 0)
	b = append(b, plain[fmtAt+4:fmtAt+20]...)
	binary.LittleEndian.PutUint16(b[fmtAt+4:], wavExtensible)
	b = append(b, 22, 0, 16, 0, 4, 0, 0, 0, wavPCM, 0, 0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113)
	b = append(b, plain[fmtAt+20:]...)
	if s, err := DecodeSound(b, nil); err != nil || !slices.Equal(s.Samples, []float32{0.5, -0.5}) {
		t.Errorf("extensible: %v, err %v", s, err)
	}
	// Half a sample at the end is left over.
	if s, err := DecodeSound(wavData(wavPCM, 1, 16000, 16, []byte{0, 64, 7}), nil); err != nil || !slices.Equal(s.Samples, []float32{0.5}) {
		t.Errorf("half a sample: %v, err %v", s, err)
	}
}

// change replaces bytes at an offset from a chunk's name.
func change(b []byte, chunk string, offset int, with ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[bytes.Index(b, []byte(chunk))+offset:], with)
	return b
}

func TestSoundRefuses(t *testing.T) {
	good := wav(wavPCM, 1, 16000, 16, []float64{0.5, -0.5})
	for name, b := range map[string][]byte{
		"no chunks":       good[:12],
		"no samples":      good[:len(good)-12],
		"empty":           wav(wavPCM, 1, 16000, 16, nil),
		"short data":      good[:len(good)-1],
		"short chunk":     change(good, "LIST", 4, 255, 255),
		"short form":      change(good, "fmt ", 4, 15),
		"no form":         change(good, "fmt ", 0, 'x'),
		"encoding":        change(good, "fmt ", 8, 85),
		"12 bits":         change(good, "fmt ", 22, 12),
		"no channels":     change(good, "fmt ", 10, 0),
		"no rate":         change(good, "fmt ", 12, 0, 0, 0, 0),
		"rate":            change(good, "fmt ", 12, 255, 255, 255, 255),
		"alignment":       change(good, "fmt ", 20, 3),
		"not a number":    wav(wavFloat, 1, 16000, 32, []float64{0, math.NaN()}),
		"infinite":        wav(wavFloat, 1, 16000, 64, []float64{math.Inf(1)}),
		"flac, nothing":   []byte("fLaC"),
		"flac, no blocks": []byte("fLaC\x80\x00\x00\x01\x00"),
	} {
		if _, err := DecodeSound(b, nil); !errors.Is(err, ErrDecode) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range [][]byte{nil, []byte("ID3 an mp3"), []byte("OggS"), []byte("RIFF1234AVI ")} {
		if _, err := DecodeSound(b, nil); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", b, err)
		}
	}
	for name, l := range map[string]Limits{"samples": {Samples: 1}, "bytes": {Bytes: 40}} {
		for format, b := range map[string][]byte{"wav": good, "flac": flacOf(t, 16, 1, []int32{5, 6}, 2)} {
			if _, err := DecodeSound(b, &l); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s of %s: %v", name, format, err)
			}
		}
	}
}

// flacOf encodes samples of all channels, one after the other.
func flacOf(tb testing.TB, bits, channels int, samples []int32, claimed uint64) []byte {
	tb.Helper()
	n := len(samples) / channels
	var b bytes.Buffer
	info := &meta.StreamInfo{BlockSizeMin: 16, BlockSizeMax: 65535, SampleRate: 44100, NChannels: uint8(channels), BitsPerSample: uint8(bits), NSamples: claimed}
	enc, err := flac.NewEncoder(&b, info)
	if err != nil {
		tb.Fatal(err)
	}
	f := &frame.Frame{Header: frame.Header{HasFixedBlockSize: true, BlockSize: uint16(n), SampleRate: 44100, Channels: frame.Channels(channels - 1), BitsPerSample: uint8(bits)}}
	for c := range channels {
		f.Subframes = append(f.Subframes, &frame.Subframe{SubHeader: frame.SubHeader{Pred: frame.PredVerbatim}, Samples: samples[c*n : (c+1)*n], NSamples: n})
	}
	if err := enc.WriteFrame(f); err != nil {
		tb.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestFLAC(t *testing.T) {
	for _, bits := range []int{8, 16, 24} {
		top := int32(1) << (bits - 1)
		left, right := []int32{0, top / 2, -top / 2, 3}, []int32{0, -top / 2, -top, 5}
		s, err := DecodeSound(flacOf(t, bits, 2, slices.Concat(left, right), 4), nil)
		if err != nil {
			t.Errorf("%d bits: %v", bits, err)
			continue
		}
		if want := []float32{0, 0, -0.75, float32(4 / float64(top))}; s.Format != "flac" || s.Rate != 44100 || !slices.Equal(s.Samples, want) {
			t.Errorf("%d bits: %+v, want %v", bits, s, want)
		}
	}
	b := flacOf(t, 16, 1, make([]int32, 64), 64)
	for n := range b {
		if _, err := DecodeSound(b[:n], nil); err == nil {
			t.Errorf("cut to %d of %d bytes, and taken", n, len(b))
		}
	}
}

// tone is a sine of one second.
func tone(rate int, hertz float64) *Sound {
	s := &Sound{Rate: rate, Samples: make([]float32, rate)}
	for i := range s.Samples {
		s.Samples[i] = float32(math.Sin(2 * math.Pi * hertz * float64(i) / float64(rate)))
	}
	return s
}

// TestResampleKeepsTones compares a resampled tone with the tone made at the new rate, away from the ends.
func TestResampleKeepsTones(t *testing.T) {
	for _, c := range []struct {
		from, to int
		hertz    float64
	}{{8000, 16000, 440}, {44100, 16000, 1000}, {48000, 16000, 6500}, {44100, 16000, 20}, {22050, 16000, 3000}, {16000, 44100, 7000}, {16001, 16000, 5000}} {
		got, want := tone(c.from, c.hertz).Resample(c.to), tone(c.to, c.hertz)
		if got.Rate != c.to || len(got.Samples) != c.to {
			t.Errorf("%v: %d samples at %d", c, len(got.Samples), got.Rate)
		}
		worst := 0.0
		for i := c.to / 10; i < c.to*9/10; i++ {
			worst = max(worst, math.Abs(float64(got.Samples[i]-want.Samples[i])))
		}
		if worst > 1e-4 {
			t.Errorf("%v: off by %v", c, worst)
		}
	}
}

// TestResampleRemovesAliases: tones above half the new rate would sound as others; they are gone.
func TestResampleRemovesAliases(t *testing.T) {
	for _, hertz := range []float64{8600, 10000, 15000, 21000} {
		got := tone(44100, hertz).Resample(16000)
		for i := 1600; i < 14400; i++ {
			if math.Abs(float64(got.Samples[i])) > 1e-4 {
				t.Errorf("%v Hz: sample %d is %v", hertz, i, got.Samples[i])
				break
			}
		}
	}
}

func TestResampleEnds(t *testing.T) {
	s := tone(16000, 100)
	if s.Resample(16000) != s {
		t.Error("the same rate makes another sound")
	}
	rapid.Check(t, func(t *rapid.T) {
		n, from, to := rapid.IntRange(1, 300).Draw(t, "n"), rapid.IntRange(1, maxRate).Draw(t, "from"), rapid.IntRange(1, maxRate/100).Draw(t, "to")
		s := &Sound{Rate: from, Samples: make([]float32, n)}
		for i := range s.Samples {
			s.Samples[i] = 1
		}
		if float64(n)*float64(to)/float64(from) > 1e5 {
			t.Skip("long")
		}
		got := s.Resample(to)
		if want := max(n*to/from, 1); len(got.Samples) != want {
			t.Fatalf("%d samples, want %d", len(got.Samples), want)
		}
		for _, v := range got.Samples {
			if !(v > -0.3 && v < 1.3) {
				t.Fatalf("a sample of %v", v)
			}
		}
	})
}

func FuzzDecodeSound(f *testing.F) {
	f.Add(wav(wavPCM, 2, 8000, 16, []float64{0.5, -0.5, 0.25, 0}))
	f.Add(wav(wavFloat, 1, 44100, 32, []float64{0.5, -0.5, 0.25, 0}))
	f.Add(flacOf(f, 16, 2, []int32{1, 2, 3, 4}, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSound(b, &Limits{Samples: 1 << 16})
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDecode) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if len(s.Samples) == 0 || len(s.Samples) > 1<<16 || s.Rate < 1 {
			t.Fatalf("%d samples at %d", len(s.Samples), s.Rate)
		}
		if len(s.Samples) < 1000 && s.Rate > 1000 {
			s.Resample(16000)
		}
	})
}
