package annbench

import (
	"context"

	"engram/index"
	"engram/index/hnsw"
	"engram/index/ivf"
)

func makeHNSW(ctx context.Context, rows *index.Rows, d *Dataset, o *Options) (described, error) {
	return hnsw.Build(ctx, rows, hnsw.Config{
		Metric: d.Metric, M: o.M, EfConstruction: o.EfBuild, Profile: o.Profile, Threads: o.Threads, Memory: o.Memory,
		Progress: func(done, total int64) { o.Progress.tell("build", done, total) },
	})
}

func makeIVF(ctx context.Context, rows *index.Rows, d *Dataset, o *Options) (described, error) {
	return ivf.Build(ctx, rows, ivf.Config{
		Metric: d.Metric, Lists: o.Lists, Profile: o.Profile, Threads: o.Threads, Memory: o.Memory,
		Progress: func(done, total int64) { o.Progress.tell("build", done, total) },
	})
}
