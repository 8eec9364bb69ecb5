# What a person does here, by name. `make` alone lists it.

SWIFT ?= swift
# The command line needs packages that the libraries do not: this trait brings them.
TRAITS = --traits default,Bench

.PHONY: help setup build bench bench-compare test lint format model arm64 fuzz interop gate gate-update clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Check the toolchain; install libnuma's header when it is missing
	@Scripts/setup.sh

build: setup ## Build everything, optimised
	$(SWIFT) build -c release $(TRAITS)

bench: setup ## Measure what each DMA path costs on this machine (under a minute)
	@ringbench=$$(SWIFT="$(SWIFT)" Scripts/build.sh) && echo "measuring, under a minute" >&2 && "$$ringbench" cost

bench-compare: setup ## Measure this tree and COMMIT (HEAD~1) in turns; fail when a row is slower (OPTIONS for cost)
	@SWIFT="$(SWIFT)" Scripts/bench-compare.sh $(or $(COMMIT),HEAD~1) $(OPTIONS)

test: setup ## Run the tests (FILTER=regular expression), then the models of the orderings
	@SWIFT="$(SWIFT)" Scripts/test.sh $(if $(FILTER),--filter '$(FILTER)')
	@Tests/Model/run.sh

lint: ## Check format, style and file sizes
	@Scripts/lint.sh

model: ## Explore the models of the rings' orderings, and their broken variants
	@Tests/Model/run.sh

arm64: ## Compile CRing for arm64; hold its code against ordering.md, run its checks under qemu-user
	@SWIFT="$(SWIFT)" Tests/Arm64/run.sh

fuzz: setup ## Fuzz every fuzzer for SECONDS (60), and run its corpus first
	@Fuzz/run.sh $(or $(SECONDS),60)

interop: setup ## Run both ends of the rings against QEMU, DPDK and Linux (CASE=part of a name)
	@Tests/Interop/run $(CASE)

gate: setup ## Fail when a loop takes more instructions, or a buffer other work, than recorded
	@Scripts/gate.sh $(GATE)

gate-update: setup ## Record instructions and work anew in bench-results, for a commit of its own
	@Scripts/gate.sh --update

format: ## Rewrite the Swift sources in the house format
	$(SWIFT) format --in-place --recursive Sources Tests Fuzz/Sources Package.swift Fuzz/Package.swift

clean: ## Remove what was built
	$(SWIFT) package clean
