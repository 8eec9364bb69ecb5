# What a person does here, by name. `make` alone lists it.

SWIFT ?= swift
# The command line needs packages that the libraries do not: this trait brings them.
TRAITS = --traits default,Bench

.PHONY: help setup build bench bench-compare install dist docs release test lint format model arm64 fuzz interop peers gate gate-update clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Check the toolchain; install libnuma's header when it is missing
	@Scripts/setup.sh

build: setup ## Build ringbench, optimised, and say where it is
	@SWIFT="$(SWIFT)" Scripts/build.sh

bench: setup ## Measure what each DMA path costs on this machine (3.5 to 8 minutes with the build)
	@ringbench=$$(SWIFT="$(SWIFT)" Scripts/build.sh) && echo "measuring, for a minute or a little more" >&2 && "$$ringbench" cost

bench-compare: setup ## Measure this tree and COMMIT (HEAD~1) in turns; fail when a row is slower (OPTIONS for cost)
	@SWIFT="$(SWIFT)" Scripts/bench-compare.sh $(or $(COMMIT),HEAD~1) $(OPTIONS)

install: setup ## Install ringbench, its manual page and completions below PREFIX (/usr/local), DESTDIR in front of it
	@SWIFT="$(SWIFT)" Scripts/install.sh "$(or $(PREFIX),/usr/local)" "$(DESTDIR)"

dist: setup ## Make a tarball of what 'install' installs, which needs libnuma1
	@SWIFT="$(SWIFT)" Scripts/dist.sh

docs: setup ## Build the documentation of the libraries into .build/docs; a warning is an error
	@SWIFT="$(SWIFT)" Scripts/docs.sh

release: setup ## Check what a release needs, tag the version, build a package that depends on the tag
	@SWIFT="$(SWIFT)" Scripts/release.sh

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

peers: setup ## Measure Linux's rings, DPDK and QEMU beside ours, in turns (PEERS="--quick --only net")
	@SWIFT="$(SWIFT)" Scripts/peers.sh $(PEERS)

gate: setup ## Fail when a loop takes more instructions, or a buffer other work, than recorded
	@Scripts/gate.sh $(GATE)

gate-update: setup ## Record instructions and work anew in bench-results, for a commit of its own
	@Scripts/gate.sh --update

format: ## Rewrite the Swift sources in the house format, and C where clang-format is installed
	$(SWIFT) format --in-place --recursive Sources Tests Fuzz/Sources Examples/Sources Examples/Tests *.swift */Package.swift
	@! command -v clang-format >/dev/null || git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format -i

clean: ## Remove what was built
	$(SWIFT) package clean
