# The commands for users and developers. `make help` lists them.

VENV ?= .venv
# The first of these that runs and has a supported version.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	if $$python -c '$(IS_SUPPORTED)' 2>/dev/null; then echo $$python; break; fi; done)
IS_SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# Pythons that `make test-pythons` looks for, and the one with lower bounds.
PYTHONS ?= python3.11 python3.12 python3.13
OLDEST_PYTHON ?= python3.11
# Arguments for pytest: make test ARGS="tests/layers -x".
ARGS ?=
# The number of processes for the tests.
WORKERS ?= 2

# Stamps: the environment is rebuilt only when setup.py changes.
INSTALLED := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test
INSTALLED_DOCS := $(VENV)/.installed-docs
INSTALLED_BEAM := $(VENV)-beam/.installed
PACKAGING := setup.py pyproject.toml keras_dim/version.py

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-slow test-beam fuzz mutants test-oldest test-pythons lint \
	format bench notebooks docs wheel clean

help: ## List the targets.
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

quickstart: $(INSTALLED) ## Pre-train an encoder on the bundled digits, offline.
	$(VENV)/bin/keras-dim pretrain --directory runs/digits

test: $(INSTALLED_TEST) ## Run the tests. ARGS="..." goes to pytest.
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(ARGS)

test-slow: $(INSTALLED_TEST) ## Run the tests that take minutes each.
	$(VENV)/bin/python -m pytest -m slow -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(ARGS)

# Not in $(VENV): Beam needs an older protobuf.
test-beam: $(INSTALLED_BEAM) ## Run the tests of keras_dim.beam, with Apache Beam.
	$(VENV)-beam/bin/python -m pytest tests/beam $(ARGS)

fuzz: $(INSTALLED_TEST) ## Read thousands of damaged files by every reader, for some minutes.
	$(VENV)/bin/python -m pytest -m fuzz tests/survival $(ARGS)

mutants: $(INSTALLED_TEST) ## List changes of the code that no test notices. ARGS="--limit 40".
	$(VENV)/bin/python tests/mutations.py --workers $(WORKERS) $(ARGS)

# Each "name>=bound" of setup.py becomes the constraint "name==bound".
test-oldest: ## Run the tests with every dependency at its lower bound.
	@$(OLDEST_PYTHON) -c '' 2>/dev/null || { echo "make test-oldest: no $(OLDEST_PYTHON) here."; exit 1; }
	test -d $(VENV)-oldest || $(OLDEST_PYTHON) -m venv $(VENV)-oldest
	grep -oE '"[A-Za-z0-9_-]+>=[0-9.]+"' setup.py | tr -d '"' | sort -u \
		| sed 's/>=/==/' > $(VENV)-oldest/constraints.txt
	$(VENV)-oldest/bin/python -m pip install -q -c $(VENV)-oldest/constraints.txt -e ".[test]"
	$(VENV)-oldest/bin/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(ARGS)

# A shim of a version manager that is on the path but does not run is no Python.
test-pythons: ## Run the tests on each Python 3.11 to 3.13 that is installed.
	@found=""; failed=""; \
	for python in $(PYTHONS); do \
		if ! $$python -c '$(IS_SUPPORTED)' 2>/dev/null; then \
			echo "make test-pythons: no $$python here."; continue; fi; \
		found="$$found $$python"; \
		$(MAKE) test PYTHON=$$python VENV=$(VENV)-$$(basename $$python) \
			|| failed="$$failed $$python"; \
	done; \
	echo "make test-pythons: ran on:$${found:- none}; failed on:$${failed:- none}."; \
	test -n "$$found" && test -z "$$failed"

lint: $(INSTALLED_TEST) ## Check style, and change nothing.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(INSTALLED_TEST) ## Mend style.
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(INSTALLED_TEST) ## Run the benchmarks: speed, memory, scaling.
	$(VENV)/bin/python benchmarks/train_step.py
	$(VENV)/bin/python benchmarks/train_step.py --method amdim
	$(VENV)/bin/python benchmarks/loss_memory.py
	$(VENV)/bin/python benchmarks/views.py
	$(VENV)/bin/python benchmarks/serving.py
	$(VENV)/bin/python benchmarks/scaling.py

notebooks: $(INSTALLED_TEST) ## Generate the notebooks from their scripts and run them.
	$(VENV)/bin/python notebooks/_build.py

docs: $(INSTALLED_DOCS) ## Build the site of docs/ in build/docs: open index.html.
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict

wheel: $(INSTALLED) ## Build dist/keras_dim-*.whl.
	$(VENV)/bin/python -m pip wheel -q --no-deps --wheel-dir dist .

clean: ## Remove what the targets above made, but not runs/.
	rm -rf $(VENV) $(VENV)-beam $(VENV)-oldest $(VENV)-python3.* build dist *.egg-info \
		.pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11, 3.12 or 3.13 found. \
	Install one, or name it: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@$(PYTHON) -c '$(IS_SUPPORTED)' 2>/dev/null || { echo "make: $(PYTHON) does not run or is \
	not Python 3.11, 3.12 or 3.13."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(PACKAGING) | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install -q -e .
	@touch $@

$(INSTALLED_TEST): $(PACKAGING) | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install -q -e ".[test]"
	@touch $@ $(INSTALLED)

$(INSTALLED_BEAM): $(PACKAGING)
	$(MAKE) $(VENV)-beam/bin/python VENV=$(VENV)-beam
	$(VENV)-beam/bin/python -m pip install -q -e ".[test,beam]"
	@touch $@

$(INSTALLED_DOCS): $(PACKAGING) | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install -q -e ".[docs]"
	@touch $@ $(INSTALLED)
