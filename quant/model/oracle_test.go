package model_test

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"engram/quant/model"
	"engram/quant/weights"
)

// oracle computes the forward pass of use-lite in float64, one text at a time, in the plainest way.
type oracle struct {
	tb  testing.TB
	f   *weights.File
	m   *model.Manifest
	tok func(string) []int32
}

func newOracle(tb testing.TB, dir string, e *model.Encoder) *oracle {
	tb.Helper()
	f, err := weights.Open(filepath.Join(dir, model.WeightsFile), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	m := e.Manifest()
	return &oracle{tb: tb, f: f, m: &m, tok: e.Tokens}
}

func (o *oracle) get(name string) (v []float32, shape []int) {
	v, _, err := o.f.Float32(name)
	if err != nil {
		o.tb.Fatal(err)
	}
	l, _ := o.f.Layer(name)
	return v, l.Shape
}

func (o *oracle) dense(x []float64, name string) []float64 {
	w, shape := o.get(name + ".weight")
	b, _ := o.get(name + ".bias")
	y := make([]float64, shape[0])
	for i := range y {
		y[i] = float64(b[i])
		for j := range x {
			y[i] += float64(w[i*len(x)+j]) * x[j]
		}
	}
	return y
}

func (o *oracle) norm(x []float64, name string) []float64 {
	scale, _ := o.get(name + ".scale")
	bias, _ := o.get(name + ".bias")
	var mean, square float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		square += (v - mean) * (v - mean) / float64(len(x))
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = (v-mean)/math.Sqrt(square+o.m.Config.LayerNormEpsilon)*float64(scale[i]) + float64(bias[i])
	}
	return y
}

func sum(a, b []float64) []float64 {
	y := make([]float64, len(a))
	for i := range a {
		y[i] = a[i] + b[i]
	}
	return y
}

func (o *oracle) attention(x [][]float64, p string) [][]float64 {
	n, w, heads := len(x), len(x[0]), o.m.Config.Heads
	d := w / heads
	qkv := make([][]float64, n)
	for t := range x {
		qkv[t] = o.dense(o.norm(x[t], p+"attention_norm"), p+"attention.qkv")
	}
	out := make([][]float64, n)
	for t := range x {
		mixed := make([]float64, w)
		for h := range heads {
			e, total := make([]float64, n), 0.0
			for k := range x {
				for i := h * d; i < (h+1)*d; i++ {
					e[k] += qkv[t][i] * qkv[k][w+i] / math.Sqrt(float64(d))
				}
			}
			for k := range e {
				e[k] = math.Exp(e[k])
				total += e[k]
			}
			for k := range e {
				for i := h * d; i < (h+1)*d; i++ {
					mixed[i] += e[k] / total * qkv[k][2*w+i]
				}
			}
		}
		out[t] = o.dense(mixed, p+"attention.output")
	}
	return out
}

func (o *oracle) encode(text string) []float32 {
	ids := o.tok(text)
	emb, shape := o.get("embeddings.weight")
	rates, _ := o.get("position.inverse_timescales")
	width := shape[1]
	x := make([][]float64, len(ids))
	for t, id := range ids {
		x[t] = make([]float64, width)
		for i := range x[t] {
			angle := float64(t) * float64(rates[i%len(rates)])
			signal := math.Sin(angle)
			if i >= len(rates) {
				signal = math.Cos(angle)
			}
			x[t][i] = 2*float64(emb[int(id)*width+i]) + signal
		}
	}
	for l := 0; l < o.m.Config.Layers && len(x) > 0; l++ {
		p := fmt.Sprintf("layers.%d.", l)
		mixed := o.attention(x, p)
		for t := range x {
			if _, ok := o.f.Layer(p + "residual.weight"); ok {
				x[t] = o.dense(x[t], p+"residual")
			}
			x[t] = sum(x[t], mixed[t])
			up := o.dense(o.norm(x[t], p+"ffn_norm"), p+"ffn.up")
			for i := range up {
				up[i] = math.Max(up[i], 0)
			}
			x[t] = sum(x[t], o.dense(up, p+"ffn.down"))
		}
	}
	_, pool := o.get("pooler.weight")
	mean := make([]float64, pool[1])
	for t := range x {
		for i, v := range x[t] {
			mean[i] += v / float64(len(x))
		}
	}
	y := o.dense(mean, "pooler")
	var square float64
	for i := range y {
		y[i] = math.Tanh(y[i])
		square += y[i] * y[i]
	}
	out := make([]float32, len(y))
	for i := range y {
		out[i] = float32(y[i] / math.Sqrt(math.Max(square, o.m.Config.NormEpsilon)))
	}
	return out
}
