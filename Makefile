# Two targets do all set-up by themselves: `make demo` and `make test`. `make help` lists the rest.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := build

GO      ?= go
SMILEY  := bin/smiley
TOOLS   := bin/tools
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)

# Where smiley must build without cgo. What was never run there is listed in docs/reference/limits.md.
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

.PHONY: help build demo test bench stress docs pictures bundle clean setup-build setup-test \
	check-format check-vet check-lint check-vulnerabilities check-modules check-platforms check-types tools

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup-build:
	@scripts/setup build

# Code that is not ours, works on memory of its own in one goroutine and is most of the work of a test: the database, which is C that was
# turned into Go, and what reads debug information, what is compressed, regular expressions, and pages. Looking for races in it takes longer
# than all the rest, and finds none of ours. Delve's other packages are looked at, so that their misuse by ours is seen; make stress looks
# at everything.
UNRACED := modernc.org/... github.com/klauspost/... github.com/go-delve/delve/pkg/dwarf/... golang.org/x/net/html/... \
	compress/... debug/... hash/... regexp/...
RACE    := $(foreach package,$(UNRACED),'-gcflags=$(package)=-race=false -d=checkptr=0')

setup-test:
	@scripts/setup test

build: setup-build ## build bin/smiley
	@mkdir -p bin
	$(GO) build -ldflags '$(LDFLAGS)' -o $(SMILEY) ./cmd/smiley

demo: build ## record an example program and look at the recording
	@scripts/demo $(SMILEY)

# go test comes last, so that its closing lines are the last thing a reader of the output sees.
test: setup-test check-format check-vet check-lint check-vulnerabilities check-modules check-platforms check-types ## everything that tests the project
	@echo '== tests without cgo: cmd/smiley'
	CGO_ENABLED=0 $(GO) test ./cmd/smiley
	@echo '== tests of channel and monitor without the race detector: cmd/smiley'
	$(GO) test -run 'TestStressRemote|TestMonitor' ./cmd/smiley
	@echo '== tests of the bundle'
	(cd web/islands/bundle && $(GO) test ./...)
	@echo '== tests in a browser'
	(cd web/browsertests && $(GO) test ./...)
	@echo '== tests'
	$(GO) test -race -shuffle=on -timeout 12m $(RACE) ./...

bench: setup-build ## the benchmarks behind docs/explanation/performance.md
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./bench/...
	$(GO) run ./bench/record
	place=$$(mktemp -d)
	trap 'rm -rf "$$place"' EXIT
	$(GO) run ./bench/web -scale 1 -file "$$place/large.db"
	echo '== in a browser'
	cd web/browsertests
	$(GO) test . -run '^TestMeasure$$' -count=1 -v -timeout 60m -args -measure -database "$$place/large.db"
	cd ../..
	$(GO) run ./bench/probes
	$(GO) run ./bench/remote

stress: setup-build ## every stress test at full length, with a table; all tests ten times in random order; every fuzz test for a minute
	@table=$$(mktemp)
	trap 'rm -f "$$table"' EXIT
	status=0
	SMILEY_STRESS=1 SMILEY_STRESS_TABLE=$$table $(GO) test -run '^TestStress' -timeout 180m ./... || status=$$?
	printf '%s, %s processors, Linux %s, %s\n\n| what | times | found |\n|---|---|---|\n' \
		"$$(date +%F)" "$$(nproc)" "$$(uname -r)" "$$($(GO) env GOVERSION)"
	cat "$$table"
	$(GO) test -race -shuffle=on -count=10 -timeout 60m ./... || status=$$?
	scripts/fuzz 60s || status=$$?
	exit $$status

docs: ## renew the pages that are generated from the program
	$(GO) test ./cmd/smiley -run TestReferenceIsFresh -update
	$(GO) test ./web -run TestAddressesAreFresh -update

bundle: ## renew web/dist/islands.js, which is made of web/islands
	cd web/islands/bundle && $(GO) run .

pictures: setup-test ## renew the pictures of docs/tutorial/tour.md
	cd web/browsertests && $(GO) test . -run TestTour -count=1 -args -update

clean: ## remove what make built
	rm -rf bin

tools: | $(TOOLS)

# The checkers are a module of their own, so that none of them enters smiley's requirements.
$(TOOLS): tools/go.mod tools/go.sum
	@echo '== building the checkers'
	rm -rf $(TOOLS)
	cd tools && $(GO) build -o ../$(TOOLS)/ tool

check-format: $(TOOLS)
	@echo '== gofumpt'
	unformatted=$$(git ls-files -z '*.go' | xargs -0 $(TOOLS)/gofumpt -l)
	if [ -n "$$unformatted" ]; then
		printf 'not formatted (run bin/tools/gofumpt -w on them):\n%s\n' "$$unformatted"
		exit 1
	fi

check-vet:
	@echo '== go vet'
	$(GO) vet ./...

check-lint: $(TOOLS)
	@echo '== staticcheck'
	$(TOOLS)/staticcheck ./...

# The database of vulnerabilities is a web site; a machine that cannot reach it has no answer, which is not a failure.
check-vulnerabilities: $(TOOLS)
	@echo '== govulncheck'
	if timeout 5 bash -c 'exec 3<>/dev/tcp/vuln.go.dev/443' 2>/dev/null; then
		$(TOOLS)/govulncheck ./...
	else
		echo 'skipped: the vulnerability database (vuln.go.dev) cannot be reached from here'
	fi

check-types:
	@echo '== tsc'
	tsc -p web/islands

check-modules:
	@echo '== go mod tidy -diff'
	$(GO) mod tidy -diff
	for module in tools web/browsertests web/islands/bundle bench/peers; do
		(cd $$module && $(GO) mod tidy -diff)
	done

check-platforms:
	@echo '== builds without cgo'
	for platform in $(PLATFORMS); do
		echo "   $$platform"
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -o /dev/null ./cmd/smiley
	done
