// Package duck answers one question: how does DuckDB run it?
package duck
