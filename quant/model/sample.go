package model

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// choose picks the next token. Of equal scores the least id counts as the likeliest.
func choose(scores []float32, opt *GenerateOptions, random *rand.Rand) int32 {
	best := 0
	for i, v := range scores {
		if v > scores[best] {
			best = i
		}
	}
	if !(opt.Temperature > 0) {
		return int32(best)
	}
	ids := make([]int32, len(scores))
	for i := range ids {
		ids[i] = int32(i)
	}
	if opt.TopK > 0 && opt.TopK < len(ids) {
		slices.SortStableFunc(ids, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
		ids = ids[:opt.TopK]
	}
	p := make([]float64, len(ids))
	sum := 0.0
	for i, id := range ids {
		p[i] = math.Exp(float64(scores[id]-scores[best]) / opt.Temperature)
		sum += p[i]
	}
	at := random.Float64() * sum
	for i, id := range ids {
		if at -= p[i]; at < 0 {
			return id
		}
	}
	return int32(best)
}
