# Two commands do everything: `make demo` plays, `make test` checks. Both set up .venv on their first run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up

.PHONY: demo test lint format bot clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   play in the browser, with simulated players and learning rounds; needs nothing else"
	@echo "make test   run the tests"
	@echo "make lint   check style, types and imports"
	@echo "make bot    run the bot against Discord; first copy .env.example to .env and fill it in"

$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(SETUP)

demo: $(SETUP)
	$(BIN)/respect demo $(ARGS)

test: $(SETUP)
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 3 --dist worksteal $(ARGS)

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
