package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"engram/quant/weights"
)

type modelMigrate struct {
	Source string `arg:"" help:"The weight file to read, of V1 or V2." type:"existingfile"`
	Dest   string `arg:"" help:"The weight file to write; it may be the same." type:"path"`
	To     string `required:"" enum:"v1,v2" help:"Schema to write: v2 keeps all, v1 turns codes into the numbers that they stand for."`
}

// Run migrates in one step: the new file is there whole, or what was there before is.
func (c *modelMigrate) Run(ctx context.Context) error {
	version := 1
	if c.To == "v2" {
		version = 2
	}
	var bar *progressBar
	layers, told := 0, int64(0)
	err := weights.Migrate(ctx, c.Source, c.Dest, version, &weights.MigrateOptions{Progress: func(_ string, done, total int64) {
		if bar == nil {
			bar = newBar(ctx, "migrate", int(total))
		}
		bar.add(int(done - told))
		told = done
		layers++
	}})
	if bar != nil {
		bar.stop()
	}
	if err != nil {
		return err
	}
	st, err := os.Stat(c.Dest)
	if err != nil {
		return err
	}
	fmt.Printf("wrote %s as %s: %d layers, %d numbers, %d bytes\n", c.Dest, strings.ToUpper(c.To), layers, told, st.Size())
	return nil
}
