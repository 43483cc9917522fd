# One entry point. Each target works on a fresh Debian 12 with the Swift toolchain; `deps` installs the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Headers and static archives of the three C libraries; nothing else is linked.
PACKAGES := libsqlite3-dev libssl-dev libzstd-dev
SOURCES := Sources Tests Benchmarks Package.swift
# A test run that takes longer than this hangs.
TEST_SECONDS ?= 1800
# The shipped binary: Swift's runtime and the C libraries inside, symbols outside.
RELEASE := BERTH_STATIC=1 swift build -c release --product berth --static-swift-stdlib --scratch-path .build -Xlinker -s

.PHONY: help deps build run test test-all check fmt bench docs image

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

deps: ## install Debian's packages that the build needs
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES); }

build: deps ## .build/release/berth
	$(RELEASE)

run: build ## build, then serve on 127.0.0.1:8080 with data in ./berth-data
	.build/release/berth serve --data-dir ./berth-data

check: deps ## format, arrows between rooms, warnings as errors
	swift format lint --strict --recursive $(SOURCES)
	swift build --build-tests --explicit-target-dependency-import-check error

test: deps ## every test but the slow ones, with the coverage figure
	timeout --foreground -s INT -k 20 $(TEST_SECONDS) swift test --enable-code-coverage
	@python3 Tests/coverage.py "$$(swift test --enable-code-coverage --show-codecov-path)"

test-all: test ## the slow parts too: every fault, fuzzing, races, a soak; what is skipped says why
	Tests/slow.sh

fmt: ## format all sources in place
	swift format --in-place --recursive $(SOURCES)

bench: deps ## measure against peers and write docs/benchmarks.md
	Benchmarks/run.py $(ARGS)

docs: build ## run every command of the README and the guides
	Tests/docs.py .build/release/berth

image: build ## assemble what the Dockerfile ships in a chroot, run it, print its size
	Tests/image.sh
