# `make help` lists the commands. All of them use .venv (and .venv-runtime for the tests without torch).

PYTHON ?= python3
VENV := .venv
RUNTIME_VENV := .venv-runtime
BIN := $(VENV)/bin
IMAGE ?= samples/coffee.jpg
PIP := -m pip --disable-pip-version-check
QUIET ?= --quiet
BUILD_TOOLS := "scikit-build-core>=0.10" "nanobind>=2.4" "cmake>=3.18" "ninja>=1.10" "setuptools>=70.1"

NATIVE_SOURCES := CMakeLists.txt $(shell find native -type f ! -path 'native/tests/*' ! -path 'native/bench/*')
PYTHON_SOURCES := $(shell find src/sparsesr -type f ! -name '*.so' ! -name '*.pyc')

.PHONY: help upscale test-env test coverage test-runtime lint format types contracts native sanitize instruction-counts reference clean
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- usage ------------------------------------------------------------------------------------------

upscale: $(VENV)/.package ## Upscale IMAGE=photo.jpg (default: a sample); ARGS="..." is passed to sparsesr upscale
	@$(BIN)/sparsesr upscale "$(IMAGE)" $(if $(filter command line,$(origin IMAGE)),,--overwrite) $(ARGS)

# ---- environments -----------------------------------------------------------------------------------

$(VENV)/.created:
	@PYTHON="$(PYTHON)" sh .ci/check-tools
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Editable: Python files are used in place; the native module is built and installed into the environment.
# Build tools are installed for developers only, since they are as large as everything else together. For users,
# .pyc files of modules that they may never import are left out, as is the setuptools that older venvs include.
ISOLATION = $(if $(wildcard $(VENV)/.build-tools),--no-build-isolation)

$(VENV)/.package: $(VENV)/.created pyproject.toml $(NATIVE_SOURCES)
	@PYTHON="$(PYTHON)" sh .ci/check-tools
	@echo "installing sparsesr into $(VENV); the native part takes about half a minute" >&2
	@$(BIN)/python $(PIP) install $(QUIET) $(if $(ISOLATION),,--no-compile) $(ISOLATION) --editable .
	@test -n "$(ISOLATION)" || $(BIN)/python $(PIP) uninstall $(QUIET) --yes setuptools 2>/dev/null || true
	@touch $@

$(VENV)/.test-env: $(VENV)/.created pyproject.toml $(NATIVE_SOURCES)
	@PYTHON="$(PYTHON)" sh .ci/check-tools
	@echo "installing sparsesr and the packages for its tests, including torch, into $(VENV)" >&2
	@$(BIN)/python $(PIP) install $(QUIET) $(BUILD_TOOLS)
	@$(BIN)/python $(PIP) install $(QUIET) --no-build-isolation --editable ".[test,lint]"
	@touch $(VENV)/.build-tools $(VENV)/.package $@

# Not editable: this is the package as users install it, so that a file missing from the wheel is noticed.
$(RUNTIME_VENV)/.package: pyproject.toml $(NATIVE_SOURCES) $(PYTHON_SOURCES)
	@PYTHON="$(PYTHON)" sh .ci/check-tools
	@test -x $(RUNTIME_VENV)/bin/python || $(PYTHON) -m venv $(RUNTIME_VENV)
	@echo "installing sparsesr without torch into $(RUNTIME_VENV)" >&2
	@$(RUNTIME_VENV)/bin/python $(PIP) install $(QUIET) $(BUILD_TOOLS)
	@$(RUNTIME_VENV)/bin/python $(PIP) install $(QUIET) --no-build-isolation ".[test-runtime]"
	@touch $@

test-env: $(VENV)/.test-env ## Create .venv with all packages for tests and checks (including torch)

native: ## Rebuild the native module after a change in native/ (incremental)
	@rm -f $(VENV)/.test-env
	@$(MAKE) --no-print-directory $(VENV)/.test-env

# ---- checks -----------------------------------------------------------------------------------------

# Whole suites run in several processes, file by file, so that a file's fixtures are set up once; torch, which would use
# all cores in each of them, uses one. What ARGS selects runs in one process, for debuggers and prints.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile
pytest = $(if $(ARGS),,OMP_NUM_THREADS=1) $(1) -m pytest $(or $(ARGS),$(PARALLEL))

test: $(VENV)/.test-env ## Run all tests; ARGS="tests/image -k alpha" selects some
	@sh .ci/install-chromium
	@$(call pytest,$(BIN)/python)

coverage: $(VENV)/.test-env ## Run all tests and report their coverage of the runtime wing
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered $(ARGS)

# The wheel holds the same Python files, which the first command checks, and what it compiles is tested by `make test`.
# So only rooms whose behaviour could depend on torch, or on the files of the package, run again.
SAME_AS_IN_TEST := $(addprefix --ignore=tests/,lab parity native runtime modelfile image)

test-runtime: $(RUNTIME_VENV)/.package ## Check that the wheel is complete and works without torch
	@sh .ci/install-chromium
	@$(RUNTIME_VENV)/bin/python .ci/check_no_torch.py src
	@$(call pytest,$(RUNTIME_VENV)/bin/python) -o pythonpath="tests tests/native" $(if $(ARGS),,$(SAME_AS_IN_TEST))

sanitize: $(RUNTIME_VENV)/.package ## Run the tests of the kernels and the runtime with sanitizers (ASan, UBSan, TSan)
	@bash .ci/sanitize $(RUNTIME_VENV)

instruction-counts: $(VENV)/.test-env ## Count instructions of fixed kernel runs; ARGS=--update accepts new figures
	@sh .ci/install-valgrind
	@$(BIN)/cmake -S . -B build/native -G Ninja -DCMAKE_MAKE_PROGRAM="$(CURDIR)/$(BIN)/ninja" \
	    -DSPARSESR_BINDINGS=OFF -DSPARSESR_NATIVE_TESTS=ON >/dev/null
	@$(BIN)/cmake --build build/native >/dev/null
	@$(BIN)/python .ci/instruction_counts.py build/native/instruction_counts $(ARGS)

lint: $(VENV)/.test-env ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.test-env ## Format the Python files
	@$(BIN)/ruff format .

types: $(VENV)/.test-env ## Check types
	@$(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(VENV)/.test-env ## Check the import contracts (.importlinter)
	@PYTHONPATH=src $(BIN)/lint-imports

reference: $(VENV)/.package ## Write docs/reference.md from the source
	@$(BIN)/python docs/generate/reference.py

clean: ## Remove environments, builds and caches
	rm -rf $(VENV) $(RUNTIME_VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
