# One verb an act. Everything sets itself up: `make demo` on a bare checkout needs Python 3.11+ and nothing else.
#
#   make demo    the synthetic Oculus case, from evidence to verdict
#   make test    the whole suite; what the continuous integration runs
#   make check   format, lint, types, architecture, and the suite under its coverage gates
#   make ui      Dagster's pages on the cases of this checkout
#   make soak    the long random runs, and what runs on a cluster
#   make spark   .venv-spark with Apache Spark for `make soak`, where Java 17 or newer is present; 0.9 GB, made once
#   make setup   .venv from the lock; done again only when the lock or the project file changes
#   make lock    compile the lock anew from pyproject.toml
#   make clean   remove what can be made again; cases and their registry stay

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
SPARK := .venv-spark
SPARK_STAMP := $(SPARK)/.set-up
WORKERS ?= 2
PYTEST ?=

# The first interpreter that starts, is 3.11 or newer and can make a virtual environment.
FIND_PYTHON = for candidate in "$${PYTHON:-python3}" python3.13 python3.12 python3.11 python3.14 /usr/bin/python3; do \
	"$$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$candidate" && break; \
	done || true

# The major version of Java, or nothing.
FIND_JAVA = "$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1 || true

.PHONY: help setup demo test check format soak spark ui lock clean

help:
	@sed -n 's/^#   //p' Makefile

setup: $(STAMP)

$(STAMP): requirements-dev.txt pyproject.toml
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
		echo "m365dq needs Python 3.11 or newer with its venv module; install one, or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		rm -rf $(VENV); "$$python" -m venv $(VENV); \
	fi; \
	echo "Setting up $(VENV) with $$($(BIN)/python --version); once, it takes a minute or two." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)
	@$(BIN)/m365dq demo

ui: $(STAMP)
	@$(BIN)/m365dq ui

test: $(STAMP)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(PYTEST)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --cov --cov-report= $(PYTEST)
	$(BIN)/coverage report --include='m365dq_dagster/core/*,m365dq_dagster/stages/*' --fail-under=100
	@$(BIN)/coverage json --quiet -o coverage.json
	$(BIN)/python tests/support/line_gate.py coverage.json

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

soak: $(STAMP)
	@$(MAKE) spark || echo "Apache Spark could not be set up; what needs it is left out." >&2
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --hypothesis-profile=soak -m "soak or not soak" $(PYTEST)

spark:
	@java=$$($(FIND_JAVA)); \
	if [ "$${java:-0}" -ge 17 ]; then $(MAKE) $(SPARK_STAMP); \
	else echo "Java 17 or newer is not installed (found: $${java:-none}); what needs Apache Spark is left out." >&2; fi

# The package comes as source, so pip needs setuptools to install it; nothing is compiled.
$(SPARK_STAMP): requirements-spark.txt
	@python=$$($(FIND_PYTHON)); \
	if ! $(SPARK)/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		rm -rf $(SPARK); "$$python" -m venv $(SPARK); \
	fi
	@$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes --requirement requirements-spark.txt
	@touch $@

COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --no-strip-extras --quiet

lock: $(STAMP)
	$(COMPILE) pyproject.toml --extra dev --upgrade --output-file requirements-dev.txt
	$(COMPILE) pyproject.toml --constraint requirements-dev.txt --upgrade --output-file requirements.txt
	$(COMPILE) --group spark --upgrade --output-file requirements-spark.txt

clean:
	rm -rf $(VENV) $(SPARK) build dist coverage.json .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
