# One entry point. Each target works on a fresh Debian 12 with the Swift toolchain; `deps` installs the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Headers and static archives of the three C libraries; nothing else is linked.
PACKAGES := libsqlite3-dev libssl-dev libzstd-dev
# What tests run beside Berth; without it they skip what needs it, and say so.
TEST_PACKAGES := etcd-server
SOURCES := Sources Tests Benchmarks Package.swift
# A test run that takes longer than this hangs.
TEST_SECONDS ?= 1800
# As many tests at a time as there are threads for them: else all begin at once, and the time that each may take is spent in
# line. What this variable means to `swift test` is not promised; one that does not know it runs the tests all the same.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH ?= $(shell nproc)
# The shipped binary: Swift's runtime and the C libraries inside, symbols outside.
RELEASE := BERTH_STATIC=1 swift build -c release --product berth --static-swift-stdlib --scratch-path .build -Xlinker -s

.PHONY: help deps test-deps build run test test-all check sim fmt bench bench-placement cluster fleet chaos docs image

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

deps: ## install Debian's packages that the build needs
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES); }

build: deps ## .build/release/berth
	$(RELEASE)

run: build ## build, then serve on 127.0.0.1:8080 with data in ./berth-data
	.build/release/berth serve --data-dir ./berth-data

# Built as `test` wants it, which then has nothing to build.
check: deps ## format, arrows between rooms, warnings as errors
	swift format lint --strict --recursive $(SOURCES)
	swift build --build-tests --enable-code-coverage --explicit-target-dependency-import-check error

# RUNLEVEL=1 keeps Debian from starting a service: tests start their own etcd on loopback.
test-deps: deps
	@dpkg -s $(TEST_PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && \
	  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(TEST_PACKAGES); } || true

# Random tests begin with the same seed, so that a red run is about what was changed; new seeds are for test-all.
test: test-deps ## every test but the slow ones, with the coverage figure
	BERTH_SEED=$${BERTH_SEED:-1} timeout --foreground -s INT -k 20 $(TEST_SECONDS) swift test --enable-code-coverage
	@python3 Tests/coverage.py "$$(swift test --enable-code-coverage --show-codecov-path)"

test-all: test ## the slow parts too: every fault, fuzzing, races, a soak; what is skipped says why
	Tests/slow.sh

sim: deps ## the simulated cluster, addresses and fleet: SEEDS=1000, for MINUTES=20 at least, SEED=42 WORKLOAD=fleet shows one, BUGS=1 what it catches
	swift build -c release --product berth-sim
	SEED=$(SEED) SEEDS=$(SEEDS) MINUTES=$(MINUTES) WORKLOAD=$(WORKLOAD) BUGS=$(BUGS) BUG="$(BUG)" .build/release/berth-sim

fmt: ## format all sources in place
	swift format --in-place --recursive $(SOURCES)

bench: deps ## measure against peers and write docs/benchmarks.md
	Benchmarks/run.py $(ARGS)

cluster: build test-deps ## three members of etcd and three nodes on loopback, in ./berth-cluster, until Ctrl-C; TLS=1: over mutual TLS; FLEET=1: with a simulated fleet
	@TLS=$(TLS) FLEET=$(FLEET) Tests/scripts/cluster.sh .build/release/berth

fleet: build ## Berth with 21 simulated nodes in three datacenters, in ./berth-fleet, until Ctrl-C
	@Tests/scripts/fleet.sh .build/release/berth

chaos: build ## 108 faults of 18 kinds on a real cluster in network namespaces (root); ARGS="--cycles N"
	swift build -c release --product berth-histories
	Tests/chaos/chaos.py --cycles 108 $(ARGS)

bench-placement: ## measure placement on one core; ARGS="--trace DIR" packs a real trace
	swift build -c release --product berth-bench
	.build/release/berth-bench placement $(ARGS)

docs: build ## run every command of the README and the guides
	Tests/docs.py .build/release/berth

image: build ## assemble what the Dockerfile ships in a chroot, run it, print its size
	Tests/image.sh
