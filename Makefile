# Needs Python 3.11 or newer, pip and make; everything else goes into .venv, in exact versions (constraints.txt).
# `make PYTHON=/path/to/python setup` chooses another interpreter.

PYTHON = $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || echo python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALL := install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
BENCH ?= ledger

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-slow test-vectors lint bench constraints clean

help:
	@echo "make demo          one business day and its settlement, every book proven"
	@echo "make test          lint, types, import contracts, tests"
	@echo "make up            the whole world, listening on loopback until Ctrl-C"
	@echo "make setup | lint | test-slow | test-vectors | bench | constraints | clean"

setup: $(INSTALLED)
	@:

# A Python without ensurepip (as Debian packages it) makes the .venv without pip and installs from outside.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Bezant needs Python 3.11 or newer: install it, or name one with make PYTHON=/path/to/python." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv >/dev/null 2>&1 || $(PYTHON) -m venv --without-pip .venv
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; \
		then $(BIN)/python -m pip $(INSTALL); \
		else $(PYTHON) -m pip --python $(BIN)/python $(INSTALL); fi
	@touch $@

demo: setup
	@$(BIN)/bezant demo

up: setup
	@$(BIN)/bezant up

test: lint
	@$(BIN)/pytest --quiet

test-slow: setup
	@$(BIN)/pytest --quiet -m slow

test-vectors: setup
	@$(BIN)/pytest --quiet -m shared_vectors

lint: setup
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy --no-error-summary
	@found=$$($(BIN)/lint-imports --no-logo) || { echo "$$found"; exit 1; }

bench: setup
	@$(BIN)/bezant bench $(BENCH)

constraints: setup
	@echo "# Exact versions of everything that is installed, tests and tools included. Written by \`make constraints\`." > constraints.txt
	@$(BIN)/python -m pip freeze --exclude-editable >> constraints.txt

# The .venv stays: it is only rebuilt when pyproject.toml or constraints.txt say so.
clean:
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
