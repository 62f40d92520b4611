package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"engram/quant/model"
	"github.com/jackc/pgx/v5"
)

type demoCommand struct {
	Dir    string `required:"" help:"Directory for the database; it must not hold one yet." type:"path"`
	Texts  string `required:"" help:"Folder with emojibase-data's en/data.json and meta/groups.json." type:"path"`
	Models string `help:"Directory of models. Default: ENGRAM_MODELS, else ./models." type:"path"`
}

// Run starts a server of its own, loads the texts through a Postgres driver, asks, restarts, asks again, and stops.
func (c *demoCommand) Run(ctx context.Context) error {
	memories, err := readEmoji(c.Texts)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(c.Dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: the demo starts on a new directory", c.Dir)
	}
	say("1. Starting a server on a new directory")
	server, err := startServer(ctx, c.Dir, model.SearchDirs(c.Models, "")[0])
	if err != nil {
		return err
	}
	defer func() { _ = server.stop() }()
	conn, err := server.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { conn.Close(context.Background()) }()

	say(fmt.Sprintf("2. Inserting %d texts; each is embedded in the transaction that stores it", len(memories)))
	if err := load(ctx, conn, memories); err != nil {
		return err
	}
	say("3. Asking")
	for _, q := range demoQuestions {
		if err := ask(ctx, server.url, q); err != nil {
			return err
		}
	}
	say("4. Restarting the server: everything must still be there")
	conn.Close(ctx)
	if err := server.stop(); err != nil {
		return err
	}
	server2, err := startServer(ctx, c.Dir, model.SearchDirs(c.Models, "")[0])
	if err != nil {
		return err
	}
	defer func() { _ = server2.stop() }()
	if err := ask(ctx, server2.url, demoRestart); err != nil {
		return err
	}
	if err := countIs(ctx, server2, len(memories)); err != nil {
		return err
	}
	if err := server2.stop(); err != nil {
		return err
	}
	say("Done. The server is stopped.")
	return nil
}

type question struct{ title, sql string }

// demoQuestions are the questions that one statement answers; the fifth is asked after the restart.
var demoQuestions = []question{
	{"A semantic search: what means 'a person playing music'?",
		`SELECT m.text, round(k.score::numeric, 3) AS score
FROM cosine_top_k(embed('a person playing music'), 5) k JOIN memories m USING (id)
ORDER BY k.score DESC`},
	{"A filtered search: something warm to drink, but only food",
		`SELECT text, round((1 - (text_embedding <=> embed('something warm to drink')))::numeric, 3) AS score
FROM memories WHERE category = 'food-drink'
ORDER BY text_embedding <=> embed('something warm to drink') LIMIT 5`},
	{"A join with a table of your own: which shelf holds the nearest things?",
		`SELECT s.shelf, m.text, round(k.score::numeric, 3) AS score
FROM cosine_top_k(embed('tools to repair a house'), 6) k
JOIN memories m USING (id) JOIN shelves s ON s.category = m.category
ORDER BY k.score DESC`},
	{"A GROUP BY over search results: where do thoughts of the sea live?",
		`SELECT m.category, count(*) AS memories, round(avg(k.score)::numeric, 3) AS mean_score, max(m.text) AS one_of_them
FROM cosine_top_k(embed('the sea and its animals'), 200) k JOIN memories m USING (id)
GROUP BY 1 ORDER BY 2 DESC, 1`},
}

var demoRestart = question{"After the restart: the same search and the same rows",
	`SELECT m.text, round(k.score::numeric, 3) AS score, (SELECT count(*) FROM memories) AS of_memories
FROM cosine_top_k(embed('a person playing music'), 3) k JOIN memories m USING (id)
ORDER BY k.score DESC`}

func say(text string) { fmt.Printf("\n\x1b[1m%s\x1b[0m\n", text) }

// emoji is what the demo reads of emojibase-data: real English labels and tags.
type emoji struct {
	Label string   `json:"label"`
	Emoji string   `json:"emoji"`
	Tags  []string `json:"tags"`
	Group *int     `json:"group"`
}

type demoMemory struct {
	text, category, metadata string
}

func readEmoji(dir string) ([]demoMemory, error) {
	var groups struct {
		Groups map[string]string `json:"groups"`
	}
	var list []emoji
	for name, into := range map[string]any{"meta/groups.json": &groups, "en/data.json": &list} {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return nil, fmt.Errorf("texts: %w", err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			return nil, fmt.Errorf("texts: %s: %w", name, err)
		}
	}
	memories := make([]demoMemory, 0, len(list))
	for _, e := range list {
		m := demoMemory{text: e.Label, category: "other"}
		if len(e.Tags) > 0 {
			m.text += " (" + strings.Join(e.Tags, ", ") + ")"
		}
		if e.Group != nil {
			m.category = groups.Groups[fmt.Sprint(*e.Group)]
		}
		metadata, err := json.Marshal(map[string]string{"emoji": e.Emoji})
		if err != nil {
			return nil, err
		}
		m.metadata = string(metadata)
		memories = append(memories, m)
	}
	return memories, nil
}

// loadBatch is how many texts travel, and are embedded, together.
const loadBatch = 64

func load(ctx context.Context, conn *pgx.Conn, memories []demoMemory) error {
	for _, statement := range []string{
		`CREATE TABLE shelves (category text PRIMARY KEY, shelf text NOT NULL)`,
		`INSERT INTO shelves VALUES ('objects', 'top'), ('travel-places', 'middle'), ('activities', 'middle'), ('people-body', 'bottom'),
		 ('food-drink', 'kitchen'), ('animals-nature', 'garden'), ('smileys-emotion', 'bottom'), ('symbols', 'drawer'), ('flags', 'roof'),
		 ('component', 'drawer'), ('other', 'drawer')`,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	started := time.Now()
	bar := newBar(ctx, "memories", len(memories))
	for at := 0; at < len(memories); at += loadBatch {
		part := memories[at:min(at+loadBatch, len(memories))]
		var values []string
		var args []any
		for _, m := range part {
			n := len(args)
			values = append(values, fmt.Sprintf("($%d,$%d,$%d)", n+1, n+2, n+3))
			args = append(args, m.text, m.category, m.metadata)
		}
		_, err := conn.Exec(ctx, "INSERT INTO memories (text, category, metadata) VALUES "+strings.Join(values, ","), args...)
		if err != nil {
			bar.stop()
			return err
		}
		bar.add(len(part))
	}
	bar.stop()
	fmt.Printf("  stored and embedded %d memories in %.1f s\n", len(memories), time.Since(started).Seconds())
	return nil
}

// ask shows a question, its SQL and the answer.
func ask(ctx context.Context, url string, q question) error {
	fmt.Printf("\n-- %s\n%s;\n\n", q.title, q.sql)
	r, err := openRemote(ctx, url, true)
	if err != nil {
		return err
	}
	started := time.Now()
	err = r.run(ctx, q.sql)
	if err == nil {
		fmt.Printf("Time: %.1f ms\n", float64(time.Since(started).Microseconds())/1000)
	}
	return errors.Join(err, r.close())
}

func countIs(ctx context.Context, server *demoServer, want int) error {
	conn, err := server.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var rows, embedded int
	err = conn.QueryRow(ctx, "SELECT count(*), count(joint_embedding) FROM memories").Scan(&rows, &embedded)
	if err == nil && (rows != want || embedded != want) {
		err = fmt.Errorf("after the restart there are %d memories, %d with an embedding; want %d", rows, embedded, want)
	}
	return err
}

// demoServer is `engram serve` as a process of its own, as a user would run it.
type demoServer struct {
	cmd *exec.Cmd
	url string
}

func startServer(ctx context.Context, dir, models string) (*demoServer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "serve", "--dir", dir, "--models", models, "--listen", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &demoServer{cmd: cmd}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		url, ready := strings.CutPrefix(lines.Text(), "ready: ")
		if !ready {
			continue
		}
		password := os.Getenv("ENGRAM_PASSWORD")
		if password == "" {
			b, err := os.ReadFile(filepath.Join(dir, passwordFile))
			if err != nil {
				return nil, errors.Join(err, s.stop())
			}
			password = strings.TrimSpace(string(b))
		}
		s.url = strings.Replace(url, "@", ":"+password+"@", 1)
		fmt.Println("  " + lines.Text())
		return s, nil
	}
	return nil, errors.Join(errors.New("the server ended before it was ready"), s.stop())
}

func (s *demoServer) connect(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, s.url) }

// stop ends the server as SIGTERM does; a second call does nothing.
func (s *demoServer) stop() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return cmd.Wait()
}
