# `make demo` and `make test` are all a newcomer needs; each sets up .venv by itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help demo test lint types contracts check bench chaos schema lock clean

help:
	@echo "make demo       watch a return-centre line sort parcels (simulated PLC, real sockets)"
	@echo "make test       run the test suite"
	@echo "make check      lint, types, import contracts, tests: what .ci/run runs"
	@echo "make bench      measure every figure in benchmarks/budgets.toml"
	@echo "make chaos      random faults and kills against a served rig; ARGS='--runs 200'"
	@echo "make schema     write config/schema/*.json from the configuration models"
	@echo "make lock       pin the dependencies again (needs uv)"

demo: $(READY)
	@$(BIN)/sorter demo $(ARGS)

# The kernels are compiled before, once, and not by each worker for itself.
test: $(READY)
	@$(BIN)/python -c "import plc_sim.rig, sorter.app.live"
	@$(BIN)/pytest --numprocesses auto --dist worksteal $(ARGS)

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy

contracts: $(READY)
	@$(BIN)/lint-imports --no-cache

check: lint types contracts test

bench: $(READY)
	@$(BIN)/python -m benchmarks $(ARGS)

chaos: $(READY)
	@$(BIN)/sorter chaos $(ARGS)

schema: $(READY)
	@$(BIN)/sorter schema config/schema

lock:
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-header --no-annotate -o deploy/requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

# The stamp is newer than what it was made from, so the second run costs one stat call.
$(READY): deploy/requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "Python 3.11 or newer is needed, but '$(PYTHON)' was not found; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, but %s is %d.%d; name a newer one with: make PYTHON=python3.12 ..." % ((sys.executable,) + tuple(sys.version_info[:2])))'
	@echo "setting up $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement deploy/requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
