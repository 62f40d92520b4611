package hnsw

import (
	"os"
	"strconv"
)

func env(name string, def float64) float64 {
	if v, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return v
	}
	return def
}

var (
	tRerank  = env("TRERANK", 10)
	tFactor  = env("TFACTOR", 1.5)
	tAgree   = env("TAGREE", 0.98)
	tSlack   = float32(env("TSLACK", 1))
	tEntries = int(env("TENTRIES", 0))
)
