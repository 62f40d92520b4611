package plan

import "strings"

// SessionFunction is a function of the session or the catalog that the analyser knows: DuckSQL calls it as
// __engram_pg_<Name> with the session's token before its Args arguments. Its owner must bring it.
type SessionFunction struct {
	Name string
	Args int
}

// SessionFunctions lists them; overloads of different length stand apart.
func SessionFunctions() []SessionFunction {
	var out []SessionFunction
	seen := map[SessionFunction]bool{}
	for name, list := range functionTable() {
		for _, s := range list {
			f := SessionFunction{name, len(s.args)}
			if strings.HasPrefix(s.template, "__engram_pg_") && !seen[f] {
				seen[f] = true
				out = append(out, f)
			}
		}
	}
	return out
}
