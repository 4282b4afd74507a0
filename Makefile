# Everything a person does here: `make help` prints it.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= .hedgerow
.DEFAULT_GOAL := help

help:           ## print this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | column -t -s "$$(printf '\t')"

setup: .venv/.ready  ## the virtual environment and the browser scripts

.venv/.ready: requirements.lock pyproject.toml package-lock.json
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python build_hooks/node.py npm ci --no-audit --no-fund --loglevel=error
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch .venv/.ready

run: setup      ## set up, fill with demo data at first, serve on 127.0.0.1:8000
	@$(BIN)/hedgerow serve --data $(DATA) --demo

test: lint      ## the CI tier: lint, types, import rules, every test but the long ones
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not slow and not chaos and not fuzz"

test-all: lint  ## every tier: all store pairs, full example counts
	HEDGEROW_TEST_TIER=all $(BIN)/python -m pytest -q -n auto --dist loadfile -m "not fuzz and not chaos"
	HEDGEROW_TEST_TIER=all HEDGEROW_TEST_DATABASE=postgresql $(BIN)/python -m pytest -q -n auto --dist loadfile -m "stores and not fuzz and not chaos"
	HEDGEROW_TEST_TIER=all HEDGEROW_TEST_CLICKHOUSE=http $(BIN)/python -m pytest -q -n auto --dist loadfile -m "stores and not fuzz and not chaos"
	HEDGEROW_TEST_TIER=all HEDGEROW_TEST_DATABASE=postgresql HEDGEROW_TEST_CLICKHOUSE=http $(BIN)/python -m pytest -q -n auto --dist loadfile -m "stores and not fuzz and not chaos"

chaos: setup    ## 200 rounds of kill -9 under load
	HEDGEROW_CHAOS_ROUNDS=200 $(BIN)/python -m pytest -q -m chaos --timeout=7200

fuzz: setup     ## the long random runs
	HEDGEROW_FUZZ_EXAMPLES=100000 $(BIN)/python -m pytest -q -m fuzz --timeout=7200

bench: setup    ## measure; results in bench/results
	$(BIN)/python -m bench

golden: setup   ## rewrite golden files (then read the diff)
	HEDGEROW_GOLDEN=write $(BIN)/python -m pytest -q tests -k golden

lint: setup     ## format check, lint, types, import rules, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/deptry src

fix: setup      ## apply what the formatter and the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:           ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --group dev --output-file requirements.lock pyproject.toml

wheel: setup    ## build the wheel
	$(BIN)/python -m build --wheel

.PHONY: help setup run test test-all chaos fuzz bench golden lint fix lock wheel
