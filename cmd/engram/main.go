// Command engram serves, queries and fills an Engram database.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker; see the Makefile.
var version = "dev"

type commands struct {
	Serve   serveCommand   `cmd:"" help:"Serve a database to Postgres clients."`
	SQL     sqlCommand     `cmd:"" name:"sql" help:"Run SQL on a database directory or a server, and print tables."`
	Verify  verifyCommand  `cmd:"" help:"Read a whole database, check it, and measure its vector indexes."`
	Model   modelCommand   `cmd:"" help:"Install and list models."`
	Bench   benchCommand   `cmd:"" help:"Measure this machine."`
	Demo    demoCommand    `cmd:"" help:"Load real texts into a new server and ask it five questions."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(run(os.Args[1:]))
}

// run is main without the exit, so that deferred work ends before the process does.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var cli commands
	parser, err := kong.New(&cli, kong.Name("engram"),
		kong.Description("Engram is an embedded vector database with a SQL front end."), kong.UsageOnError(), kong.Vars{"datasets": datasetsHelp()},
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "engram:", err)
		return 2
	}
	command, err := parser.Parse(args)
	if err != nil {
		parser.FatalIfErrorf(err)
	}
	if err := command.Run(); err != nil {
		var silent exitCode
		if errors.As(err, &silent) {
			return int(silent)
		}
		fmt.Fprintln(os.Stderr, "engram:", err)
		return 1
	}
	return 0
}

// exitCode ends the command with a status after it has said itself what was wrong.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

type versionCommand struct{}

func (versionCommand) Run() error {
	fmt.Printf("engram %s (%s, %s/%s, %s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, acceleration())
	return nil
}
