# One word a habit. `make test` sets up what it needs the first time.

PYTHON ?= python3
BIN := .venv-dev/bin

.DEFAULT_GOAL := help
.PHONY: help test fast lint format types docs bench mutation ci clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

$(BIN)/pytest: pyproject.toml
	$(PYTHON) -m venv .venv-dev
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@

test: $(BIN)/pytest  ## all tests, with branch coverage
	$(BIN)/pytest -n auto --cov

fast: $(BIN)/pytest  ## the tests that start nothing and install nothing
	$(BIN)/pytest -n auto tests/unit tests/properties

lint: $(BIN)/pytest  ## style, and the rule that arrows only point down
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: $(BIN)/pytest  ## put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(BIN)/pytest  ## mypy and pyright, both strict
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(BIN)/pytest  ## the site, into site/
	$(BIN)/mkdocs build --strict

bench: $(BIN)/pytest  ## what it costs, beside its neighbours, and the emulator under load
	$(BIN)/python -m benchmarks.core
	$(BIN)/python -m benchmarks.pacing
	$(BIN)/python -m benchmarks.pacing.wire
	$(BIN)/python -m benchmarks.emulator
	$(BIN)/python -m benchmarks.shared_pacing
	$(BIN)/python -m benchmarks.normalize.kills
	$(BIN)/python -m benchmarks.normalize.scale_out
	$(BIN)/python -m benchmarks.normalize.throughput
	$(BIN)/python -m benchmarks.cold_start

mutation: $(BIN)/pytest  ## does a test notice every small change of the modules that decide? minutes
	$(BIN)/python .ci/mutation.py

ci:  ## the gate, as the server runs it
	.ci/run

clean:  ## remove what these words made
	rm -rf .venv-dev mutants build dist site .coverage* .mypy_cache .pytest_cache .ruff_cache
