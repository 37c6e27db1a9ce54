EVENT ?= events/launcher/nightly-report.json
ADDR  ?= 127.0.0.1:4599

FUNCTIONS = launcher collector watchdog executor

# What is deployed depends on nothing of the machine that builds it: no cgo, no
# paths, no version control stamp.
GO_BUILD = CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags '-s -w -buildid='
# For arm64, as the template says, whatever GOARCH is in the environment: only
# make GOARCH=... asks for another.
LAMBDA   = GOOS=linux GOARCH=$(if $(filter command line,$(origin GOARCH)),$(GOARCH),arm64) $(GO_BUILD)

# The race detector needs a C compiler on Linux; without one the tests run
# without it.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

GOLANGCI_LINT         = build/tools/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOLANGCI_LINT_VERSION = v2.15.0
GOVULNCHECK_VERSION   = v1.9.0

.PHONY: help run local test check format lint template sizes vulncheck bench cost soak herd deaths fuzz build deploy \
	build-errand build-LauncherFunction build-CollectorFunction build-WatchdogFunction build-ExecutorFunction

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "%-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build-errand ## run the main job on this machine, no AWS account; EVENT=file takes another payload, LOSE=1 loses its stop event
	@build/errand try $(if $(LOSE),--lose-stop-event) "$(EVENT)"

local: build-errand ## the same, kept running for the AWS CLI and SDKs; ADDR=127.0.0.1:4599
	@build/errand local --addr "$(ADDR)"

# The program that starts the functions is built as they are, so that what they
# have in common is compiled once.
build-errand:
	@$(if $(wildcard build/errand),,echo "The first time, building takes a minute or two.")
	@for f in $(FUNCTIONS); do echo "building $$f…"; $(GO_BUILD) -o build/$$f/bootstrap ./functions/$$f || exit; done
	@echo "building errand…"; $(GO_BUILD) -o build/errand ./cmd/errand

test: ## every test, race detector on, order shuffled
	$(if $(RACE),,@echo "no C compiler: the race detector is off")
	go test $(RACE) -shuffle=on ./...

check: format lint template sizes ## what is not a test: formatting, vet, lint, template, sizes

format: $(GOLANGCI_LINT)
	$(GOLANGCI_LINT) fmt --diff

lint: $(GOLANGCI_LINT)
	go vet ./...
	$(GOLANGCI_LINT) run

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/build/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv build/tools/golangci-lint $@

template:
	@if command -v cfn-lint >/dev/null; then echo cfn-lint template.yaml examples/cloudformation/*.yaml; cfn-lint template.yaml examples/cloudformation/*.yaml; \
	else echo "cfn-lint is not installed: template and examples are checked by the tests only (pip install cfn-lint)"; fi

# What each function may weigh when built for Lambda, in bytes.
sizes:
	@$(MAKE) --no-print-directory GOARCH=arm64 build-LauncherFunction build-CollectorFunction build-WatchdogFunction build-ExecutorFunction
	@set -- launcher 10800000 collector 10800000 watchdog 10800000 executor 11600000; while [ $$# -gt 0 ]; do \
		size=$$(wc -c < build/lambda/$$1/bootstrap); echo "$$1 for Lambda: $$size of $$2 bytes"; \
		[ $$size -lt $$2 ] || { echo "$$1 is too large"; exit 1; }; shift 2; done

# Needs vuln.go.dev, so it is not a part of check.
vulncheck: ## look for known vulnerabilities in what the functions and errand call
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...

bench: ## measure: payload to RunTask, event to result, the text form, starts
	go test -run '^$$' -bench . ./pkg/...
	go test -run '^$$' -bench . -benchtime 100x ./test/start

cost: build ## what the functions take of a core and of memory, and how long that is at each MemorySize; needs Linux
	go run ./test/cost $(COST)

soak: build-errand ## RUNS (10000) runs through the built functions while everything that may go wrong does
	go run ./test/soak -runs $(or $(RUNS),10000)

herd: $(if $(BUILT),build-errand) ## RUNS (10000) runs due at once, in simulated time; BUILT=1 lets 500 through the built functions
	$(if $(BUILT),go run ./test/soak -herd -clock 3 -runs $(or $(RUNS),500),\
		GOGC=400 ERRAND_HERD=$(or $(RUNS),10000) go test -v -timeout 60m -run TestHerd ./test/herd)

deaths: ## let the functions die at every pair of their calls to AWS; takes minutes
	ERRAND_CRASH_PAIRS=1 go test -v -timeout 60m -run TestDeaths ./test/crash

fuzz: ## let each fuzz target run for FUZZTIME (30s)
	@for p in $$(go list ./pkg/...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
		go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),30s) -fuzzminimizetime 100x $$p || exit; done; done

build: ## build/<function>/bootstrap for this machine; GOARCH=arm64 for another
	@for f in $(FUNCTIONS); do $(GO_BUILD) -o build/$$f/bootstrap ./functions/$$f && \
		echo "build/$$f/bootstrap $$(wc -c < build/$$f/bootstrap) bytes" || exit; done

# sam build calls build-<LogicalId> with the folder to fill.
build-LauncherFunction: ARTIFACTS_DIR ?= build/lambda/launcher
build-LauncherFunction:
	$(LAMBDA) -o $(ARTIFACTS_DIR)/bootstrap ./functions/launcher

build-CollectorFunction: ARTIFACTS_DIR ?= build/lambda/collector
build-CollectorFunction:
	$(LAMBDA) -o $(ARTIFACTS_DIR)/bootstrap ./functions/collector

build-WatchdogFunction: ARTIFACTS_DIR ?= build/lambda/watchdog
build-WatchdogFunction:
	$(LAMBDA) -o $(ARTIFACTS_DIR)/bootstrap ./functions/watchdog

build-ExecutorFunction: ARTIFACTS_DIR ?= build/lambda/executor
build-ExecutorFunction:
	$(LAMBDA) -o $(ARTIFACTS_DIR)/bootstrap ./functions/executor

deploy: ## sam build and sam deploy
	sam build
	sam deploy
