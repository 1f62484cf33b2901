# Each target does what set-up it needs. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DATABASE ?= leadhouse_demo.duckdb

.DEFAULT_GOAL := help
.PHONY: help setup demo notebooks test lint audit chaos bench dagster tables record lock clean

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## Make .venv with everything in requirements.lock, and .venv/bin/leadhouse

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "leadhouse needs Python 3.11 or later: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## Four weeks of simulated leads and visits into leadhouse_demo.duckdb
	$(BIN)/leadhouse demo

notebooks: $(READY) $(filter leadhouse_demo.duckdb,$(DATABASE))  ## JupyterLab on the demo; with DATABASE=leadhouse.duckdb on your own
	DESTINATION__DUCKDB__CREDENTIALS=$(abspath $(DATABASE)) $(BIN)/jupyter lab notebooks

leadhouse_demo.duckdb: | $(READY)
	$(BIN)/leadhouse demo

test: $(READY)  ## Every test, against DuckDB and PostgreSQL, offline
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

lint: $(READY)  ## ruff, mypy --strict, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit:  ## Look requirements.lock up among known vulnerabilities; offline it says so, and does not fail
	$(PYTHON) .ci/audit.py requirements.lock .venv-audit

chaos: $(READY)  ## Kill syncs of all vendors at 200 moments of each database: an hour or so
	LEADHOUSE_CHAOS=200 $(BIN)/python -m pytest -n 2 -rP tests/chaos/test_chaos.py

bench: $(READY)  ## Ratios to the floor and to dlt's defaults
	$(BIN)/python -m benchmarks

dagster: $(READY)  ## Serve Dagster on the demo: schedules, backfills, the graph of assets
	$(BIN)/python -m pipelines.dagster_demo

tables: $(READY)  ## Write docs/tables.md from the declarations
	$(BIN)/python -m pipelines.tables_page

record: $(READY)  ## Record the cassettes again: from the sandbox, or with a real key from the vendor
	$(BIN)/python -m tests.recorder

lock: $(READY)  ## Pin the newest allowed versions, with hashes and without addresses
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-strip-extras --upgrade \
		--group dev --output-file requirements.lock pyproject.toml

clean:  ## Forget the set-up and the demo
	rm -rf .venv .venv-audit build *.egg-info leadhouse_demo.duckdb
