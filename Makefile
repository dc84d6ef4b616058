# make demo      sample data -> three trainings -> cross-domain table and picture in runs/demo
# make test      the default tests, ruff, mypy, the import contracts
# make test-all  also the slow tests: every head, the browser, the wheel in a clean environment
# make phones    what tests of files for phones need, as far as there is any here
# make docs      the documentation as a site in build/docs; a warning is an error
# make wheel     wheel and sdist in dist/, checked by twine
# All create .venv first if there is none. `make PYTHON=python3.12 demo` picks the interpreter.

PYTHON ?= python3
SEED ?= 0
BIN := .venv/bin
STAMP := .venv/installed
# Two processes of one thread each: tests of a file stay together, as they share what they train.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
CHOSEN := $(firstword $(wildcard $(BIN)/python) $(PYTHON))

.PHONY: demo test test-all lint install phones docs wheel

install: $(STAMP)

$(STAMP): pyproject.toml setup.py
	@$(CHOSEN) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || { \
	  echo "$(CHOSEN) is missing or older than Python 3.11; name another one (and remove .venv if" \
	    "it is there): make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -e ".[test]"
	touch $(STAMP)

# What few machines have wheels for; without them the tests of these files are skipped.
phones: $(STAMP)
	@for extra in coreml tflite; do $(BIN)/python -m pip install -e ".[$$extra]" \
	  || echo "nothing to install for the extra $$extra here: its tests are skipped"; done

demo: $(STAMP)
	$(BIN)/segibn demo --output runs/demo --seed $(SEED)

test: $(STAMP) lint
	$(PYTEST)

test-all: phones lint
	$(PYTEST) -m "not gpu"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/sphinx-build -W -b html docs build/docs

wheel: $(STAMP)
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
