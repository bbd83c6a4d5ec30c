# make demo   the whole chain on a small simulated data set, with pictures
# make test   every gate: style, types, layers, tests
# make env    the environment alone, with the developers' tools
# make lint   the gates without the tests
# make clean  remove what the tools leave behind; make distclean removes the environment too
#
# The environment is .venv, made once, and again when pyproject.toml or constraints.txt change.
# Another Python than the first fitting one: make test PYTHON=python3.12

SHELL := /bin/bash
BIN := .venv/bin
JOBS ?= 2
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c '$(FITS)' 2>/dev/null && { echo "$$p"; break; }; done)

.PHONY: help demo test env lint pytest clean distclean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

demo: .venv/.runtime
	$(BIN)/python examples/demo.py

# lint keeps one core busy for a minute, so it runs beside the tests
test: .venv/.dev
	@$(MAKE) --no-print-directory -j 2 lint pytest

env: .venv/.dev

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

pytest: .venv/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

.venv/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing trimorph into .venv"
	@$(PIP) -e .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing trimorph and the developers' tools into .venv"
	@$(PIP) -e '.[dev]'
	@touch .venv/.runtime $@

$(BIN)/python:
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null || { \
	echo "Found: $(or $(PYTHON),python3) = $$("$(or $(PYTHON),python3)" --version 2>&1 | tail -n 1)."; \
	echo "Wanted: Python 3.11, 3.12 or 3.13."; \
	echo "Install one of them, or name it: make test PYTHON=/path/to/python3.12"; exit 1; } >&2
	@echo "Making .venv with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv --clear .venv

clean:
	rm -rf demo dist build docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	rm -rf .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv
