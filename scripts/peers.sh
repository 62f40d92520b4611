#!/usr/bin/env bash
# Build the libraries that `engram bench ann --peers` measures beside Engram, from their npm packages, with every
# instruction of this machine: ./data/peers (DATA names another folder than ./data).
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
peers=${DATA:-data}/peers
mkdir -p "$peers"
cd "$peers"
[ -f package.json ] || echo '{"private":true}' >package.json
CXXFLAGS='-O3 -march=native' npm install --silent --no-audit --no-fund hnswlib-node@3 usearch@2
# hnswlib is measured from C++, on the headers of the package: the way through JavaScript copies every query number by number.
"${CXX:-g++}" -O3 -march=native -std=c++17 -pthread -I node_modules/hnswlib-node/src/hnswlib "$here/scripts/peers/hnswlib.cpp" -o hnswlib
cp "$here/scripts/peers/usearch.mjs" usearch.mjs
echo "peers are in $peers: hnswlib, usearch"
