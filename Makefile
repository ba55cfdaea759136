# Two commands do everything: `make demo` plays, `make test` checks. Both set up .venv on their first run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up

# Tests that use a store: these run on PostgreSQL too.
STORES := tests/store tests/bot tests/web tests/research tests/learner/examples tests/learner/feedback \
	tests/learner/rounds tests/learner/training tests/learner/test_registry.py

.PHONY: demo test test-postgres lint format bot clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   play in the browser, with simulated players and learning rounds; needs nothing else"
	@echo "make test   run the tests"
	@echo "make test-postgres   run the tests that use a store on a temporary PostgreSQL server"
	@echo "make lint   check style, types and imports"
	@echo "make bot    run the bot against Discord; first copy .env.example to .env and fill it in"

$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(SETUP)

demo: $(SETUP)
	$(BIN)/respect demo $(ARGS)

# The files of tests lie in memory where there is room for them: databases would wait for the disk at each commit. There are
# more processes than the two cores of a small machine, because some tests wait for processes of their own. Bytecode is kept,
# even where a container turns that off: each of these processes would compile the program and its tests again.
test: $(SETUP)
	@free=$$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $$4}'); [ "$${free:-0}" -gt 4000000 ] && in=/dev/shm || in=$${TMPDIR:-/tmp}; \
	files=$$(mktemp -d "$$in/respect-tests.XXXXXX") && trap 'rm -rf "$$files"' EXIT && \
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 3 --dist worksteal --basetemp "$$files/of" $(ARGS)

test-postgres: $(SETUP)
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m tests.postgres $(BIN)/pytest --numprocesses 2 --dist worksteal $(or $(ARGS),$(STORES))

lint: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --level error

format: $(SETUP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bot: $(SETUP)
	$(BIN)/respect db upgrade
	$(BIN)/respect bot

clean:
	rm -rf $(VENV) build dist *.egg-info
