# make demo      sample data -> three trainings -> cross-domain table and picture in runs/demo
# make test      the default tests, ruff, the import contracts
# make test-all  also the slow tests
# Both create .venv first if there is none. `make PYTHON=python3.12 demo` picks the interpreter.

PYTHON ?= python3
SEED ?= 0
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: demo test test-all lint install

install: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -e ".[test]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python tools/demo.py --output runs/demo --seed $(SEED)

test: $(STAMP) lint
	$(BIN)/python -m pytest

test-all: $(STAMP) lint
	$(BIN)/python -m pytest -m "not gpu"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
