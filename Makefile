# Two commands are enough on a machine with Python 3.11 or newer and make:
#
#   make run        a node on 127.0.0.1; it prints the multiaddrs to dial
#   make test       the whole suite
#
# and to work on it:
#
#   make check      ruff, mypy, pydoctor, the wheel and the container in clean environments
#   make native     build the native backend of QUIC, and install it; needs cargo
#   make interop    against go-, rust-, js- and py-libp2p, if they can be built;
#                   TIMES=20 in a row
#   make attacks    a hostile peer against a node; ATTACKED="ours go js py rust",
#                   ONLY='muxer.*'
#   make fuzz       hostile inputs of up to LEN bytes, guided by coverage, for TIME
#                   seconds a target; TARGETS=, RUNS=
#   make coverage   lines and branches that the tests of the layers run
#   make bench      side by side with the same peers; ONLY=, AGAINST=, ROUNDS=, JSON=, NODE=
#   make faults     cuts, full disks, bad networks: too slow for make test
#   make soak       peers come and vanish for ten minutes; SECONDS=60 for one
#   make lab-soak   a crowd behind routers that meets for SECONDS
#   make lab        which routers two peers can meet through; writes docs/lab-table.inc
#   make docs       the manual and the API reference, in docs/_build/html
#   make diagrams   the pictures of the state machines, in docs/diagrams
#   make proto      the generated code of the protobuf messages
#   make clean      remove everything that was built; make distclean: .venv too

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 3
TESTS ?= tests
ATTACKED ?= ours
TIMES ?= 1
# For make fuzz: the targets, the maximum size of inputs, the time or the number of runs
# of each, and how many times as many examples as in make test.
TARGETS ?=
LEN ?= 600
RUNS ?= -1
TIME ?= $(if $(filter -1,$(RUNS)),60,0)
EXAMPLES ?= 20
SECONDS ?= 600
RUN_OPTIONS ?= --listen /ip4/127.0.0.1/tcp/4000 --identity data/node.key \
	--data data --echo

BENCH_OPTIONS = $(if $(ONLY),--only '$(ONLY)') $(if $(AGAINST),--against '$(AGAINST)') \
	$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(JSON),--json '$(JSON)')

BIN := $(VENV)/bin
# One stamp for each set of requirements; pip runs again when setup.cfg changes.
RUNTIME := $(VENV)/installed-runtime
TESTING := $(VENV)/installed-test
TOOLS := $(VENV)/installed-dev
FUZZING := $(VENV)/installed-fuzz
# The oldest protoc whose code runs with every protobuf that setup.cfg allows; it needs
# an older protobuf than the tests do, and so an environment of its own.
PROTOC := build/protoc/bin/python
INVENTORIES := docs/_build/inventories
# The rooms that parse the data of peers.
COVERED := negotiation security muxer connection identity address wire
# The tests that draw examples.
DRAWN = $(shell grep -rl 'from tests.examples import' --include='test_*.py' tests)
COMMA := ,
SPACE := $(subst ,, )

.PHONY: run
run: $(RUNTIME)
	mkdir -p data
	exec $(BIN)/twist libp2p $(RUN_OPTIONS)

# The tests start many programs.  Where Python may not write bytecode, each of them would
# compile the package again, which takes longer than most of these tests.
.PHONY: bytecode
bytecode: $(TESTING)
	$(BIN)/python -m compileall -q -j $(JOBS) twisted_libp2p twisted tests

.PHONY: test
test: bytecode
	$(BIN)/python -m twisted.trial -j$(JOBS) $(TESTS)

# Inputs that break a target are left in build/fuzz.
.PHONY: fuzz
fuzz: $(FUZZING)
	for target in $(or $(TARGETS),$$($(BIN)/python -m tests.fuzz)); do \
		$(BIN)/python -m tests.fuzz $$target -max_len=$(LEN) -runs=$(RUNS) \
			-max_total_time=$(TIME) || exit 1; \
	done
	EXAMPLES=$(EXAMPLES) $(BIN)/python -m twisted.trial $(sort $(DRAWN))

.PHONY: coverage
coverage: bytecode
	$(BIN)/python -m coverage run -m twisted.trial $(COVERED:%=tests.%) tests.testing
	$(BIN)/python -m coverage report --skip-covered --show-missing --fail-under=95 \
		--include='$(subst $(SPACE),$(COMMA),$(COVERED:%=twisted_libp2p/%/*))'

native native-check: export CARGO_TARGET_DIR := $(CURDIR)/build/native

.PHONY: native
native: $(RUNTIME)
	@command -v cargo >/dev/null || { \
		echo "cargo is missing: https://rustup.rs, or make test without make native" >&2; \
		exit 1; }
	$(BIN)/pip install --quiet --force-reinstall --no-deps ./native
	$(BIN)/python -c 'import twisted_libp2p_native as n; print("native", n.__version__)'

# Its own tests, and the checks of its Rust.
.PHONY: native-check
native-check: native
	cd native && cargo fmt --check
	cd native && cargo clippy --quiet --release --locked -- --deny warnings
	$(BIN)/python -m unittest discover --start-directory native/tests

.PHONY: check
check: lint types api wheel container

.PHONY: lint
lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(TOOLS)
	$(BIN)/mypy

.PHONY: api
api: $(TOOLS)
	$(BIN)/python docs/make_inventories.py twisted_libp2p $(INVENTORIES)
	$(BIN)/pydoctor --quiet

.PHONY: wheel
wheel: $(TOOLS)
	$(BIN)/python tests/packaging/check_wheel.py

.PHONY: container
container: $(TOOLS)
	$(BIN)/python tests/packaging/check_container.py

.PHONY: interop-peers
interop-peers: bytecode
	$(BIN)/python -m tests.interop.peers.build

.PHONY: interop
interop: interop-peers
	for run in $$(seq $(TIMES)); do \
		$(BIN)/python -m pytest --reruns 2 --reruns-delay 5 -r R tests/interop || exit 1; done

.PHONY: lab
lab: $(TESTING)
	$(BIN)/python -m tests.lab.moving docs/moving.inc
	$(BIN)/python -m tests.lab.table docs/lab-table.inc

.PHONY: lab-soak
lab-soak: $(TESTING)
	$(BIN)/python -m tests.lab.soak $(SECONDS)

.PHONY: bench
bench: $(RUNTIME)
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS)

.PHONY: faults
faults: bytecode
	LIBP2P_FAULTS=1 $(BIN)/python -m twisted.trial -j$(JOBS) tests.faults

.PHONY: soak
soak: $(TESTING)
	nice $(BIN)/python -m tests.soak --seconds $(SECONDS)

.PHONY: attacks
attacks: $(TESTING)
	$(BIN)/python -m tests.attacks $(if $(ONLY),--only '$(ONLY)') $(ATTACKED)

.PHONY: docs
docs: api
	$(BIN)/python -m sphinx --fail-on-warning --quiet docs docs/_build/html

.PHONY: diagrams
diagrams: $(RUNTIME)
	$(BIN)/python docs/make_diagrams.py
	$(BIN)/python docs/make_sequences.py

.PHONY: proto
proto: $(PROTOC)
	$(PROTOC) -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. \
		twisted_libp2p/wire/*.proto

.PHONY: clean
clean:
	rm -rf build dist docs/_build _trial_temp* *.egg-info native/target
	rm -f native/python/twisted_libp2p_native/*.abi3.so
	find twisted_libp2p twisted tests -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage*

.PHONY: distclean
distclean: clean
	rm -rf $(VENV)

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
		"Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): setup.cfg pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable .
	touch $@

$(TESTING): setup.cfg pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $(RUNTIME) $@

$(FUZZING): setup.cfg pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[test,fuzz]'
	touch $(RUNTIME) $(TESTING) $@

$(TOOLS): setup.cfg pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $(RUNTIME) $(TESTING) $@

$(PROTOC):
	$(PYTHON) -m venv build/protoc
	$@ -m pip install --quiet grpcio-tools==1.76.0
