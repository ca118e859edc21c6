# SPDX-License-Identifier: Apache-2.0
#
# The front door; CMake does the work. `make help` lists what there is.

PREFIX ?= /usr/local
PORT   ?= 8080
APP    ?= examples/orders
STORE  ?= sqlite:build/run/orders.db
JOBS   ?= $(shell nproc)
SECONDS ?= 30
MOST   ?= 1e7
PEERS  ?=
export CMAKE_GENERATOR ?= $(if $(shell command -v ninja),Ninja,Unix Makefiles)

long      = OFF
configure = cmake -S . -Wno-dev
compile   = cmake --build $(1) --parallel $(JOBS)
with      = --output-on-failure --no-tests=error --no-label-summary --parallel $(JOBS)
run_ctest = ctest --test-dir build/test $(with)
run_races = $(unmoved) ctest --test-dir build/race -L race $(with)
# gcc 12's ThreadSanitizer cannot start where the kernel scatters mappings over more than 28 bits (vm.mmap_rnd_bits):
# "unexpected memory mapping". Where a container forbids to switch that off, it runs as it is.
unmoved   = $(shell setarch -R true 2>/dev/null && echo setarch -R)
quietly   = >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }

.DEFAULT_GOAL := build
.PHONY: build run test test-long fuzz lint bench bench-growth bench-peers install clean help release race-build
.PHONY: test-build

## build      the release: build/varve, build/libvarve.so, build/libvarve.a
build:
	@tools/deps --check build
	@$(MAKE) --no-print-directory release

release:
	@mkdir -p build
	@$(configure) -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DCMAKE_INSTALL_PREFIX=$(PREFIX) $(quietly)
	@$(call compile,build)

## run        installs what is missing, builds, serves $(APP) on 127.0.0.1:$(PORT), its events in $(STORE)
run:
	@tools/deps build
	@$(MAKE) --no-print-directory release
	@exec tools/run build/varve $(APP) $(STORE) $(PORT)

## test       installs what is missing, runs where threads meet under TSan, then every test under ASan and UBSan
test: race-build test-build
	@$(run_races)
	@$(run_ctest)

## test-long  the same at full size, then every fuzzer for a minute
test-long: long = ON
test-long: race-build test-build
	@$(run_races)
	@$(run_ctest)
	@$(MAKE) --no-print-directory fuzz SECONDS=60

test-build:
	@tools/deps test
	@mkdir -p build
	@$(configure) -B build/test -DCMAKE_BUILD_TYPE=Debug -DVARVE_SANITIZE=address,undefined \
	  -DVARVE_LONG_TESTS=$(long) $(quietly)
	@$(call compile,build/test)

race-build:
	@tools/deps test
	@mkdir -p build
	@$(configure) -B build/race -DCMAKE_BUILD_TYPE=Debug -DVARVE_SANITIZE=thread -DVARVE_LONG_TESTS=$(long) $(quietly)
	@$(call compile,build/race) --target race-tests

## fuzz       installs what is missing, builds the fuzzers, runs each for $(SECONDS) s; MERGE=1 keeps what is new
fuzz:
	@tools/deps fuzz
	@mkdir -p build
	@CC=clang $(configure) -B build/fuzz -DCMAKE_BUILD_TYPE=Debug -DBUILD_TESTING=OFF \
	  -DVARVE_SANITIZE=fuzzer-no-link,address,undefined $(quietly)
	@$(call compile,build/fuzz) --target fuzzers
	@fuzz/run -j $(JOBS) -s $(SECONDS) $(if $(MERGE),-m) build/fuzz $(TARGETS)

## lint       installs what is missing; format, house rules, gcc and clang without warnings, clang-tidy, cppcheck
lint:
	@tools/deps lint
	@tools/lint $(JOBS)

## bench      installs what is missing, builds the release, measures it
bench:
	@tools/deps bench
	@$(MAKE) --no-print-directory release
	@cmake --build build --parallel $(JOBS) --target run-bench

## bench-growth  grows a log to $(MOST) events and measures what a call costs on the way; 5 GB, many minutes
bench-growth:
	@tools/deps bench
	@$(MAKE) --no-print-directory release
	@cmake --build build --parallel $(JOBS) --target varve-bench
	@cd build/bench && exec ./varve-bench --most $(MOST) growth

## bench-peers  the same events, commands and models in Emmett, Message DB, eventsourcing, UmaDB and varve, in turns
bench-peers:
	@tools/deps peers
	@$(MAKE) --no-print-directory release
	@cmake --build build --parallel $(JOBS) --target peers
	@bench/peers/install build/peers
	@bench/peers/run.py build $(PEERS)

## install    program, library, headers, pkg-config file under $(PREFIX); DESTDIR stages it
install: build
	@cmake --install build
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

## clean      removes build/, and with it the store of `make run`
clean:
	@rm -rf build

## help       this list
help:
	@sed -n 's/^## /make /p' Makefile
	@echo 'variables: PREFIX=$(PREFIX) DESTDIR= PORT=$(PORT) APP=$(APP) STORE=$(STORE) JOBS=$(JOBS)' \
	  'SECONDS=$(SECONDS) MOST=$(MOST)'
