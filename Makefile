# Everything here works in a fresh clone; Python 3.11 or newer, git, make and pip are all it needs.
# `make` alone says what there is to do.

SHELL := bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Some containers tell Python to write no bytecode; every start would then compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

STAMP := .venv/.set-up
PYTHON := PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python
# One more than there are cores: the tests wait for processes of theirs a third of the time.
WORKERS := $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
PYTEST := $(PYTHON) -m pytest -q -n $(WORKERS) --maxprocesses 5 --dist worksteal

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' Makefile | expand -t 20

setup: $(STAMP)  ## .venv with everything in it; does nothing when it is up to date

# uv from PATH where it can read the lock file, otherwise one fetched by pip into .tools/. No other Python is changed.
$(STAMP): uv.lock pyproject.toml
	@set -eu; \
	caller=""; \
	for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then caller="$$name"; break; fi; \
	done; \
	if [ -z "$$caller" ]; then \
	  echo "AgentOS needs Python 3.11 or newer, and none is on PATH: install one, then run \`make setup\` again." >&2; exit 1; \
	fi; \
	python="$$("$$caller" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))')"; \
	can_read_lock() { "$$1" export --frozen --quiet --no-emit-project --python "$$python" >/dev/null 2>&1; }; \
	uv=uv; can_read_lock "$$uv" || uv=.tools/uv/bin/uv; \
	if ! can_read_lock "$$uv"; then \
	  echo "Fetching uv into .tools/ ..."; \
	  if ! "$$caller" -c 'import pip' 2>/dev/null; then caller="$$python"; fi; \
	  if ! PIP_ROOT_USER_ACTION=ignore "$$caller" -m pip install -qq --disable-pip-version-check --upgrade --target .tools/uv 'uv>=0.9'; then \
	    echo "pip could not fetch uv (its words are above): mend that, or install uv yourself, then run \`make setup\` again." >&2; exit 1; \
	  fi; \
	fi; \
	env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=.venv UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never \
	  "$$uv" sync --frozen --quiet --python "$$python"; \
	touch $@; \
	echo "Ready: .venv holds everything. Next: make demo"

system:  ## bubblewrap by apt, where this is root on a system with apt; the tests of that sandbox are skipped without it
	@if command -v bwrap >/dev/null; then echo "bwrap is there"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq >/dev/null 2>&1 && apt-get install -y -qq --no-install-recommends bubblewrap >/dev/null 2>&1; then \
	  echo "bubblewrap installed"; \
	else echo "bubblewrap could not be installed here: its tests are skipped, by name"; fi

# A GitHub that nobody here wrote, by its lock file and without its scripts; where node is missing its tests are skipped.
EMULATE := .tools/emulate/node_modules/emulate/package.json
emulate: $(EMULATE)  ## npm package emulate into .tools/, where node is there; the tests against it are skipped without

$(EMULATE): tests/github/emulate/package-lock.json
	@mkdir -p .tools/emulate; cp tests/github/emulate/package*.json .tools/emulate/; \
	if command -v npm >/dev/null && npm ci --fetch-retries 1 --fetch-timeout 20000 --prefix .tools/emulate --ignore-scripts --no-audit --no-fund --silent >/dev/null 2>&1; then touch $@; \
	else rm -rf .tools/emulate; echo "emulate could not be installed here (it wants node 20 and npm): its tests are skipped, by name"; fi

demo: setup  ## an issue becomes a merged change before your eyes; MODEL=anthropic:... for a real model
	@$(PYTHON) -m agentos.cli.demo $(if $(MODEL),--model '$(MODEL)')

check: setup  ## format, lint, types, import rules, fast tests: under a minute
	@$(PYTHON) tools/check.py

test: setup emulate  ## every test but those that take minutes
	@$(PYTEST) --suite test -m "not full"

test-full: setup emulate  ## every test, properties with 20,000 examples
	@$(PYTEST) --suite full

bench: setup  ## what it costs: start-up, overhead, checkpoint bytes
	@$(PYTHON) tools/bench.py

clean:  ## removes .venv and every cache
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

.PHONY: help setup system emulate demo check test test-full bench clean
