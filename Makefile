# Every verb that CI and people use. `make run` and `make test` set themselves up; both are quick the second time.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first interpreter that the signature library has wheels for (pyproject.toml, requires-python).
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV   := .venv
# The official Python SDK of the Nado dialect pins what our own tests cannot live with: it gets an environment of its own,
# on the one interpreter for which all that it pins has wheels. Where that cannot be had its tests are skipped.
NADO_VENV   := .venv-nado
NADO_PYTHON ?= python3.11
BIN    := $(VENV)/bin
PORT   ?= 8080
HOST   ?= 127.0.0.1

.PHONY: help setup run test check fmt lock bench kill model reconnects heartbeats torn clean

help: ## list the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

tests/clients/node_modules/.installed: tests/clients/package-lock.json
	cd tests/clients && npm ci --silent --no-audit --no-fund
	@touch $@

$(NADO_VENV)/.tried: requirements/nado-sdk.lock
	@rm -rf $(NADO_VENV) && mkdir $(NADO_VENV)
	@{ $(NADO_PYTHON) -m venv $(NADO_VENV)/env && \
	   $(NADO_VENV)/env/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
	   --require-hashes -r $<; } >$(NADO_VENV)/log 2>&1 || \
	 { rm -rf $(NADO_VENV)/env; echo "no environment for the Python SDK of Nado: $$(tail -n 1 $(NADO_VENV)/log)"; }
	@touch $@

setup: $(VENV)/.dev tests/clients/node_modules/.installed $(NADO_VENV)/.tried ## install everything that developing needs

run: $(VENV)/.runtime ## start the sandbox on http://127.0.0.1:8080 (PORT=9000 changes the port)
	@exec $(BIN)/overround sandbox --host $(HOST) --port $(PORT)

test: setup ## the whole test suite, real clients included
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: setup ## lint, format and types
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy

fmt: setup ## format and sort
	$(BIN)/ruff check --fix src tests benchmarks examples
	$(BIN)/ruff format src tests benchmarks examples

bench: setup ## measure against the limits of this machine (two cores, Linux); BENCH="signed-cancel" picks
	@command -v cc gcc clang >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check ziglang
	$(BIN)/python -m benchmarks $(BENCH)

CYCLES ?= 250
kill: setup ## kill -9 at random moments, CYCLES times; nothing acknowledged may be lost
	KILL_CYCLES=$(CYCLES) $(BIN)/python -m pytest tests/durability/test_kill.py -s -n 0 --timeout=0

STEPS ?= 200000
FIRST ?= 0
model: setup ## the engine against its slow twin for STEPS random commands, on walks numbered from FIRST
	$(BIN)/python -m tests.properties.walks --commands $(STEPS) --first $(FIRST)
	OVERROUND_MODEL_STEPS=$(STEPS) $(BIN)/python -m pytest tests/engine/continuous/test_model.py -q -n 0 --timeout=0

RECONNECTS ?= 3000
reconnects: setup ## real clients through RECONNECTS forced reconnects under load; no gap, no duplicate
	OVERROUND_RECONNECTS=$(RECONNECTS) $(BIN)/python -m pytest tests/reconnects/test_reconnects.py -s -n 0 --timeout=0

TROUBLES ?= 400
heartbeats: setup ## pings against a server in TROUBLES troubles (clock, stalls, kill -9); none fires falsely, none fails
	OVERROUND_HEARTBEATS=$(TROUBLES) $(BIN)/python -m pytest tests/heartbeats -s -n 0 --timeout=0

torn: setup ## cut and flip every byte of journals and snapshots; only exact prefixes may come back
	LONG=1 $(BIN)/python -m pytest tests/journal -n 0 --timeout=1800

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock: $(VENV)/.dev ## choose the newest allowed versions and write the lock files
	$(LOCK) --upgrade pyproject.toml -o requirements/runtime.lock
	$(LOCK) --upgrade pyproject.toml --group dev -c requirements/runtime.lock -o requirements/dev.lock
	$(LOCK) --upgrade --python-version 3.11 requirements/nado-sdk.in -o requirements/nado-sdk.lock

clean: ## remove everything that setup made
	rm -rf $(VENV) .venv-* build dist .make tests/clients/node_modules .mypy_cache .ruff_cache .pytest_cache
