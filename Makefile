# One entry point. Each target works on a fresh Debian 12 with the Swift toolchain; `deps` installs the rest.
SHELL := /bin/bash
PACKAGES := libsqlite3-dev libssl-dev libzstd-dev

.PHONY: deps build run test test-all check fmt bench

deps:
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(PACKAGES); }

build: deps
	BERTH_STATIC=1 swift build -c release --product berth --static-swift-stdlib

run: build
	.build/release/berth serve --data-dir ./berth-data

check: deps
	swift format lint --strict --recursive Sources Tests Benchmarks Package.swift
	swift build --build-tests --explicit-target-dependency-import-check error

test: deps
	swift test

fmt:
	swift format --in-place --recursive Sources Tests Benchmarks Package.swift
