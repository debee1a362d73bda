# Lockhouse's own Makefile. What a user of Lockhouse would want is in the include; what a developer wants is here.

.DEFAULT_GOAL := help
SHELL := /bin/sh

# The tools environment is made from our own runtime requirements, and runs our own sources.
LOCKHOUSE_TOOLS_LOCK := requirements/main.txt
LOCKHOUSE = PYTHONPATH=scripts '$(LOCKHOUSE_TOOLS_PYTHON)' -m lockhouse

VENV := .venv/bin
# The benchmark has an environment of its own: a chart and its libraries are nothing that tests should see.
BENCH := .lockhouse/bench-env
# Arguments for pytest: make test T="-k lock"
T ?=
# Arguments for the benchmark: make bench B="--rounds 1"
B ?=

include scripts/lockhouse/lockhouse.mk

##@ Development

.PHONY: test
test: install  ## Run the tests, with coverage; under four minutes
	$(VENV)/python -m pytest --numprocesses 3 --cov --cov-report term $(T)

.PHONY: test-all
test-all: install azurite  ## Run every test, the slow campaigns included
	$(VENV)/python -m pytest --numprocesses 3 --slow $(T)

# The emulator of Azure Blob Storage that one test runs against; without npm, that test says that it is skipped.
.PHONY: azurite
azurite:
	@command -v npm >/dev/null || echo 'no npm here: the test with Azurite will be skipped'
	@! command -v npm >/dev/null || cmp -s tests/azurite/package-lock.json tests/azurite/node_modules/made-from.json || { \
	  npm ci --prefix tests/azurite --no-audit --no-fund --loglevel=error && \
	  cp tests/azurite/package-lock.json tests/azurite/node_modules/made-from.json; }

.PHONY: lint
lint: install  ## Check style and types
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy

.PHONY: format
format: install  ## Format the sources, and mend what can be mended
	$(VENV)/ruff check --fix
	$(VENV)/ruff format

.PHONY: bench
bench: lockhouse-first-fill  ## Measure Lockhouse against pip and uv, side by side
	@$(LOCKHOUSE) install main dev bench --env '$(BENCH)'
	PYTHONPATH=scripts:tests '$(BENCH)/bin/python' -m bench.run --chart docs/bench.svg $(B)

.PHONY: bench-full
bench-full: lockhouse-first-fill  ## The same, and how cost grows for 10, 100 and 1,000 pins
	@$(LOCKHOUSE) install main dev bench --env '$(BENCH)'
	PYTHONPATH=scripts:tests '$(BENCH)/bin/python' -m bench.run --full $(B)

.PHONY: clean
clean:  ## Remove what was made: environments, wheelhouse, caches
	rm -rf .lockhouse .venv wheelhouse build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Help

.PHONY: help
help:  ## Show this help
	@awk 'BEGIN { FS = ":.*##" } /^##@/ { printf "\n%s\n", substr($$0, 5) } { sub(/^\$$\(LOCKHOUSE_PREFIX\)/, "$(LOCKHOUSE_PREFIX)") } /^[a-z-]+:.*##/ { printf "  %-12s %s\n", $$1, $$2 }' $(filter %.mk,$(MAKEFILE_LIST)) Makefile
