# Gatehouse. `make help` lists the targets; README.md says what it is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4
# Where it is set, every start of Gatehouse compiles it anew, a hundred times in the tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check bench soak lock clean
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Gatehouse needs Python 3.11 or later; say make PYTHON=/path/to/python3") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.dev ## Make .venv with everything locked, for work on Gatehouse
	@$(BIN)/python tests/install_servers.py

demo: $(VENV)/.run ## Everything embedded: a community living through a fever evening (ARGS="--keep")
	@$(BIN)/gatehouse demo $(ARGS)

test: setup check ## Every test, after make check, in four processes at a time (WORKERS=4)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(if $(CI),--require-servers) -m "not soak"

check: $(VENV)/.dev ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: setup ## Measure, print a table, write build/bench.json
	$(BIN)/python -m tests.bench

soak: setup ## Longer fault and soak runs, about an hour (KILLS=10 MINUTES=3 for less)
	SOAK_KILLS=$(or $(KILLS),100) SOAK_MINUTES=$(or $(MINUTES),30) $(BIN)/pytest --require-servers -m soak

lock: ## Pin the dependencies anew, with hashes and without index addresses (needs uv)
	uv pip compile -q pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	uv pip compile -q pyproject.toml --extra grafana --group build --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock -o requirements-dev.lock

clean: ## Remove .venv, caches and the demo's data
	rm -rf $(VENV) build demo-data .pytest_cache .mypy_cache .ruff_cache .hypothesis
