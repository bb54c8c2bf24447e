# Every target sets up what it lacks; only make and Python 3.11 or newer are needed.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
INSTALLED := $(VENV)/installed
GENERATED := gen/fairslot.binpb
COMMAND := $(BIN)/fairslot
PROTOS := $(shell find protos third_party -name '*.proto')

# The Python that `make setup` uses; the quickest it finds unless named.
PYTHON ?=
# The example world of `make up`: training, fieldservice, restaurant, clinic or none.
WORLD ?= training
# How many processes, such as REPLICAS=availability=2,assignment=2; one of each unless named.
REPLICAS ?=
# DETACH=1 lets `make up` return when the stack is ready.
DETACH ?=
# What `make test` runs, such as T=services/matching or T="tests/e2e -k races".
T ?=
# Tests that may run beside others, each process of them with servers of its own; and those of whole
# stacks, browsers and races, which have the machine to themselves.
BESIDE := kit services gateway client cli bench examples
ALONE := deploy tests
# What `make bench` measures: availability, matching, ledger, feed; all unless named.
B ?=
# Real reservations for `make demo` to replay instead of the example world.
DATA ?=
# MERGES=1 lets `make demo DATA=…` put tables together.
MERGES ?=

export PYTHONPATH := $(CURDIR):$(CURDIR)/gen
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(COMMAND) ## Create .venv, install the pinned wheels and the command fairslot

# The first Python on the path that is new enough and can make a venv with pip, or a quicker one.
$(INSTALLED): requirements.lock
	@if ! $(PY) -c 'import pip' 2>/dev/null; then \
	  for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	    if "$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then found="$$python"; break; fi; \
	  done; \
	  if [ -z "$${found:-}" ]; then \
	    echo 'Fairslot needs Python 3.11 or newer with venv (on Debian: python3 python3-venv)' >&2; exit 1; \
	  fi; \
	  if [ -z '$(PYTHON)' ]; then found="$$("$$found" deploy/interpreter.py)"; fi; \
	  echo "making $(VENV) with $$found ($$("$$found" --version))"; \
	  "$$found" -m venv --clear $(VENV); \
	fi
	@echo 'installing the pinned wheels into $(VENV)'
	@$(PY) -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	@touch $@

.PHONY: lock
lock: $(INSTALLED) ## Pin the newest versions pyproject.toml allows (needs uv)
	uv pip compile --upgrade --universal --python-version 3.11 --all-extras --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --output-file requirements.lock pyproject.toml

.PHONY: gen
gen: $(GENERATED) ## Build gen/ from the contracts in protos/

$(GENERATED): $(PROTOS) protos/generate.py $(INSTALLED)
	@$(PY) protos/generate.py

# The command on this checkout; what builds it is one of the pinned wheels.
$(COMMAND): pyproject.toml $(INSTALLED) | $(GENERATED)
	@$(PY) -m pip install --quiet --no-index --no-build-isolation --no-deps --editable .
	@touch $@

.PHONY: up
up: $(COMMAND) $(GENERATED) ## Run the whole stack until Ctrl-C (WORLD=, REPLICAS=, DETACH=1)
	@exec $(PY) -m deploy.local up --world '$(WORLD)' --replicas '$(REPLICAS)' $(if $(DETACH),--detach)

.PHONY: down
down: $(INSTALLED) ## Stop the stack that runs in the background
	@$(PY) -m deploy.local down

.PHONY: reset
reset: $(INSTALLED) ## Stop the stack and forget its data
	@$(PY) -m deploy.local reset

.PHONY: demo
demo: $(GENERATED) ## Play the main job with racing bookers and watching planners (DATA=, MERGES=1)
	@exec $(PY) -m bench.demo $(if $(DATA),--data '$(DATA)') $(if $(MERGES),--merges)

.PHONY: test
test: $(COMMAND) $(GENERATED) ## Run every test, servers included (T=path)
ifeq ($(T),)
	@failed=0; \
	$(PY) -m pytest --numprocesses 2 --dist loadfile $(BESIDE) || failed=$$?; \
	$(PY) -m pytest $(ALONE) || failed=$$?; \
	exit $$failed
else
	@$(PY) -m pytest $(T)
endif

.PHONY: soak
soak: $(GENERATED) ## Run the long tests: kills, floods and full-size runs (T=path)
	@$(PY) -m pytest -m soak --verbose --capture no --timeout 3600 $(T)

.PHONY: bench
bench: $(GENERATED) ## Measure us, the peers and the limits side by side (B=part)
	@exec $(PY) -m bench $(B)

.PHONY: page
page: ## Build the planner's page into gateway/static (needs Node)
	cd gateway/web && npm ci --no-audit --no-fund && npm run check && npm run build

.PHONY: lint
lint: $(GENERATED) ## Check formatting, types, import rules and contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code protos
	@mkdir -p .run && rm -rf .run/main
	@if git cat-file -e main:buf.yaml 2>/dev/null; then base=main; \
	elif git cat-file -e origin/main:buf.yaml 2>/dev/null; then base=origin/main; fi; \
	if [ -z "$${base:-}" ]; then echo 'buf breaking: there is no main branch to compare with'; exit 0; fi; \
	mkdir -p .run/main/gen; git archive "$$base" buf.yaml protos third_party | tar -x -C .run/main; \
	cp -r gen/include .run/main/gen/include; \
	echo "buf breaking --against $$base"; $(BIN)/buf breaking --against .run/main; rm -rf .run/main

.PHONY: fmt
fmt: $(GENERATED) ## Put code and contracts into their one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write protos

.PHONY: clean
clean: ## Remove what the targets built: .venv, gen/ and caches
	rm -rf $(VENV) gen gen.new *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
