package annbench

import (
	"context"

	"engram/index"
	"engram/index/hnsw"
)

func makeHNSW(ctx context.Context, rows *index.Rows, d *Dataset, o *Options) (described, error) {
	return hnsw.Build(ctx, rows, hnsw.Config{
		Metric: d.Metric, M: o.M, EfConstruction: o.EfBuild, Profile: o.Profile, Threads: o.Threads, Memory: o.Memory,
		Progress: func(done, total int64) { o.Progress.tell("build", done, total) },
	})
}
