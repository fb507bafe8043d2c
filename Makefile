# make quickstart | test | coverage | lint | bench: each makes .venv by itself on a machine with Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Numerical libraries start a thread per core in every process; the tests run one process per core.
export OMP_NUM_THREADS ?= 1
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: quickstart test coverage lint types bench schema clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

quickstart: $(VENV)/.installed
	$(BIN)/python -m distributed_iac.quickstart

test: $(VENV)/.installed
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Counting lines makes the tests take half as long again.
coverage: $(VENV)/.installed
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --cov --cov-report term

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.run

schema: $(VENV)/.installed
	$(BIN)/distributed-iac schema configs/schema.json

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
