# make demo   install into .venv and scan the sample traces
# make test   install what the tests need and run them all
# make lint   what CI lints with
# make docs   fill in the documentation's output blocks and draw its pictures
# make fuzz   give all readers damaged input (RUNS=100000 each, or SECONDS=30 in all; ENGINE=atheris)
# make bench  measure beside rg, grep, awk and QEMU's reader (SIZE=1G RUNS=5 ONLY=text,startup TEN=1 SIMPLETRACE_PY=…)
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= auto
SIZE   ?= 1G
RUNS_GIVEN := $(RUNS)
RUNS   ?= 5

.PHONY: help install demo test lint docs fuzz bench format wheel clean

help:
	@sed -n 's/^# //p' Makefile

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("traceview needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

# SARIF's official schema, as Microsoft's package for npm has it: without npm its test is skipped.
$(VENV)/sarif-schema.json: | $(VENV)/.test
	@if command -v npm >/dev/null; then \
	    cd $(VENV) && tarball=$$(npm pack --silent @microsoft/jest-sarif@1.0.0-beta.0) && \
	    tar -xzOf "$$tarball" package/lib/schemas/sarif-2.1.0-rtm.5.json > sarif-schema.part && \
	    rm "$$tarball" && mv sarif-schema.part sarif-schema.json; \
	else \
	    echo "npm is not installed: SARIF output is not checked against the official schema" >&2; \
	fi

$(VENV)/.lint: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

install: $(VENV)/.installed

# Findings are what a demo is for: exit code 1 (findings) and 3 (something inconclusive) are no failure here.
demo: install
	$(BIN)/traceview scan sample-traces/ || [ $$? -eq 1 ] || [ $$? -eq 3 ]

test: $(VENV)/.test $(VENV)/sarif-schema.json
	$(BIN)/python -m pytest -n $(JOBS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: install
	$(BIN)/python docs/outputs.py
	$(BIN)/python docs/draw.py

fuzz: $(VENV)/.test
	$(BIN)/python -m tests.fuzz $(if $(RUNS_GIVEN),--runs $(RUNS)) $(if $(SECONDS),--seconds $(SECONDS)) \
	    $(if $(ENGINE),--engine $(ENGINE)) $(if $(READERS),--readers $(READERS))

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks --size $(SIZE) --runs $(RUNS) $(if $(ONLY),--only $(ONLY)) $(if $(TEN),--ten) \
	    $(if $(WORK),--work $(WORK)) $(if $(SIMPLETRACE_PY),--simpletrace-py $(SIMPLETRACE_PY))

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(VENV)/.installed
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
