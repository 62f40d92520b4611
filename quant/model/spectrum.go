package model

import (
	"engram/accel"
	"engram/quant/model/layer"
)

// spectrum turns samples into mel bands, as the front end of a sound model: frames of samples, their Fourier transform as a
// product with cosines and sines, the squares of both added, and a weighted sum of the frequencies for every band. The
// matrices are the model's; they are used as float32 whatever the file has, since a front end rounded to few bits hears noise.
// The sizes of the Fourier transform.
const (
	spectrumSize = 512
	spectrumBins = spectrumSize/2 + 1
)

type spectrum struct {
	frame, hop, bands, bins int

	window    []float32 // nil: the cosines and sines have it in them
	cos, sin  []float32 // bins rows of size numbers
	size      int       // of a frame with the zeros around it
	mel       []float32 // bands rows of bins numbers
	melBias   []float32 // nil: none
	magnitude bool      // the square root of the power goes into the bands
}

// newSpectrum reads the tensors spectrum.cos, .sin and .mel, and spectrum.window and .mel_bias where the model has them.
func newSpectrum(p *layer.Params, frame, hop int, magnitude bool) (*spectrum, error) {
	sp := &spectrum{frame: frame, hop: hop, size: spectrumSize, bins: spectrumBins, magnitude: magnitude}
	var err error
	read := func(to *[]float32, name string, shape ...int) {
		if err == nil {
			*to, err = p.Float32("spectrum."+name, shape...)
		}
	}
	read(&sp.cos, "cos", sp.bins, sp.size)
	read(&sp.sin, "sin", sp.bins, sp.size)
	read(&sp.mel, "mel", -1, sp.bins)
	sp.bands = len(sp.mel) / sp.bins
	if p.Has("spectrum.window") {
		read(&sp.window, "window", frame)
	}
	if p.Has("spectrum.mel_bias") {
		read(&sp.melBias, "mel_bias", sp.bands)
	}
	return sp, err
}

// run writes the bands of n frames, which begin at hop samples from each other, to dst.
func (sp *spectrum) run(s *mediaScratch, dst, samples []float32, n int) {
	frame := layer.Grow(&s.front, sp.size)
	power := layer.Grow(&s.power, 2*sp.bins)
	for i := range n {
		clear(frame)
		inner := frame[(sp.size-sp.frame)/2:][:sp.frame]
		copy(inner, samples[i*sp.hop:])
		for j, w := range sp.window {
			inner[j] *= w
		}
		re, im := power[:sp.bins], power[sp.bins:]
		accel.DotRows(frame, sp.cos, re)
		accel.DotRows(frame, sp.sin, im)
		for j, v := range im {
			re[j] = re[j]*re[j] + v*v
			if sp.magnitude {
				re[j] = sqrt32(re[j])
			}
		}
		out := dst[i*sp.bands : (i+1)*sp.bands]
		accel.DotRows(re, sp.mel, out)
		if sp.melBias != nil {
			layer.Add(out, sp.melBias)
		}
	}
}
