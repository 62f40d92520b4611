package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progressBar shows on standard output how far work has come: a moving bar on a terminal, else a line a quarter.
type progressBar struct {
	name        string
	done, total int
	said        int // quarters that a line has told of
	container   *mpb.Progress
	bar         *mpb.Bar
}

func newBar(ctx context.Context, name string, total int) *progressBar {
	p := &progressBar{name: name, total: total}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		p.container = mpb.NewWithContext(ctx, mpb.WithWidth(48))
		p.bar = p.container.AddBar(int64(total), mpb.PrependDecorators(decor.Name("  "+name+" "), decor.CountersNoUnit("%d / %d")),
			mpb.AppendDecorators(decor.AverageSpeed(0, "%.0f/s")))
	}
	return p
}

func (p *progressBar) add(n int) {
	p.done += n
	if p.bar != nil {
		p.bar.IncrBy(n)
		return
	}
	if quarter := 4 * p.done / max(1, p.total); quarter > p.said {
		p.said = quarter
		const width = 24
		full := width * p.done / p.total
		fmt.Printf("  %s [%s%s] %d / %d\n", p.name, strings.Repeat("=", full), strings.Repeat("-", width-full), p.done, p.total)
	}
}

// stop ends the bar where it stands.
func (p *progressBar) stop() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.container.Wait()
	}
}
