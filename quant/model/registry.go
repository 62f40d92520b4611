package model

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// The names of the models that are used where none is named.
const (
	DefaultName  = "use-lite" // for text
	DefaultImage = "mobilenet"
	DefaultAudio = "speech-embedding"
)

// ModelsEnv is the environment variable that names the directory of the models.
const ModelsEnv = "ENGRAM_MODELS"

// SearchDirs says where models are looked for: in flag if it is not empty, else in what ENGRAM_MODELS says, else in the
// folder models of the database directory. An empty databaseDir stands for the current directory.
func SearchDirs(flag, databaseDir string) []string {
	if flag != "" {
		return []string{flag}
	}
	if env := os.Getenv(ModelsEnv); env != "" {
		return filepath.SplitList(env)
	}
	return []string{filepath.Join(databaseDir, "models")}
}

// Find returns the directory of the named model, looking through dirs in order. ErrNotFound says that there is none, and
// how to install one.
func Find(dirs []string, name string) (string, error) {
	if !plainName(name) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%w: %q is no name of a model", ErrNotFound, name)
	}
	for _, d := range dirs {
		dir := filepath.Join(d, name)
		_, err := os.Stat(filepath.Join(dir, ManifestFile))
		switch {
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid):
			return "", fmt.Errorf("model %q: %w", name, err)
		}
	}
	place := "models"
	if len(dirs) > 0 {
		place = dirs[0]
	}
	return "", fmt.Errorf("%w: no model %q in %s; install one with `make models` or `engram model import SOURCE --name %s --models %s`",
		ErrNotFound, name, strings.Join(dirs, " or "), name, place)
}

// Entry is a model that a Registry found.
type Entry struct {
	Name     string
	Dir      string
	Manifest *Manifest // nil where Err is set
	Err      error     // why the model cannot be used
}

// Registry opens models by name when they are first asked for and keeps them open. Its methods may be called
// concurrently.
type Registry struct {
	dirs []string
	opt  Options

	mu     sync.Mutex
	open   map[string]*opening
	closed bool
}

// opening is a model that is open or being opened.
type opening struct {
	once  sync.Once
	model io.Closer
	err   error
}

// NewRegistry makes a registry of the models in dirs. Nothing is read yet, and the directories need not exist.
func NewRegistry(dirs []string, o *Options) *Registry {
	r := &Registry{dirs: slices.Clone(dirs), open: map[string]*opening{}}
	if o != nil {
		r.opt = *o
	}
	return r
}

// Dirs are the directories that models are looked for in.
func (r *Registry) Dirs() []string { return slices.Clone(r.dirs) }

// List describes the models that are there now, by name. Of two with one name the first directory's counts.
func (r *Registry) List() []Entry {
	var out []Entry
	seen := map[string]bool{}
	for _, d := range r.dirs {
		entries, err := os.ReadDir(d)
		if err != nil {
			continue // a directory that is not there has no models
		}
		for _, e := range entries {
			dir := filepath.Join(d, e.Name())
			if _, err := os.Stat(filepath.Join(dir, ManifestFile)); err != nil || seen[e.Name()] || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			seen[e.Name()] = true
			m, err := ReadManifest(dir)
			out = append(out, Entry{Name: e.Name(), Dir: dir, Manifest: m, Err: err})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Encoder returns the named model for text, opened; an empty name stands for DefaultName. The encoder is shared and
// belongs to the registry: do not close it. A model that was missing is looked for again at the next call.
func (r *Registry) Encoder(name string) (*Encoder, error) { return get[*Encoder](r, name, DefaultName) }

// Images is Encoder for models of pictures; an empty name stands for DefaultImage.
func (r *Registry) Images(name string) (*ImageEncoder, error) {
	return get[*ImageEncoder](r, name, DefaultImage)
}

// Audio is Encoder for models of sounds; an empty name stands for DefaultAudio.
func (r *Registry) Audio(name string) (*AudioEncoder, error) {
	return get[*AudioEncoder](r, name, DefaultAudio)
}

// Language is Encoder for language models, of which none is standard.
func (r *Registry) Language(name string) (*LanguageModel, error) {
	return get[*LanguageModel](r, name, name)
}

// get returns the named model, or the one called standard, as one of the kind of T.
func get[T io.Closer](r *Registry, name, standard string) (T, error) {
	var none T
	if name == "" {
		name = standard
	}
	m, err := r.model(name)
	if err != nil {
		return none, err
	}
	return asKind[T](name, m)
}

// model returns the named model, opened.
func (r *Registry) model(name string) (io.Closer, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, fmt.Errorf("%w: registry", ErrClosed)
	}
	o, ok := r.open[name]
	if !ok {
		o = &opening{}
		r.open[name] = o
	}
	r.mu.Unlock()
	o.once.Do(func() { o.model, o.err = r.load(name) })
	if o.err != nil {
		r.mu.Lock()
		if r.open[name] == o {
			delete(r.open, name)
		}
		r.mu.Unlock()
	}
	return o.model, o.err
}

func (r *Registry) load(name string) (io.Closer, error) {
	dir, err := Find(r.dirs, name)
	if err != nil {
		return nil, err
	}
	return openModel(dir, &r.opt)
}

// Close closes the models that are open, waiting for those being opened or used.
func (r *Registry) Close() error {
	r.mu.Lock()
	open := r.open
	r.open, r.closed = map[string]*opening{}, true
	r.mu.Unlock()
	var errs []error
	for _, o := range open {
		o.once.Do(func() { o.err = fmt.Errorf("%w: registry", ErrClosed) })
		if o.model != nil {
			errs = append(errs, o.model.Close())
		}
	}
	return errors.Join(errs...)
}
