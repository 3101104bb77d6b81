# make demo, make test: all the set-up that they need, from a clean checkout and Python 3.11 or 3.12.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOWEST := .venv-lowest
SOURCES := sklearn_occ tests examples benchmarks docs

# Real data for the tests that use it; they are skipped where it is absent.
SKLEARN_OCC_DATA ?= $(wildcard $(CURDIR)/../shared/data)
ifneq ($(SKLEARN_OCC_DATA),)
export SKLEARN_OCC_DATA
endif

.PHONY: setup demo test test-lowest test-slow test-gpu bench-gpu lint format pages lock clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: $(READY)
	$(BIN)/python -m sklearn_occ compare --data digits --majority 8 --seeds 3 --output results/demo

# One process for each core; each uses one thread.
test: $(READY)
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist worksteal

# The lowest versions that pyproject.toml allows: the contract on a few methods, and what hangs on a package's version.
$(LOWEST)/.ready: requirements-lowest.lock
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-lowest.lock
	touch $@

OF_LOWEST := PYTHONPATH=$(CURDIR) $(LOWEST)/bin/python -m pytest -q -n logical --maxprocesses 8 --dist worksteal

test-lowest: $(LOWEST)/.ready
	$(OF_LOWEST) tests/test_common.py tests/base tests/_engine/test_training.py -k "OCSVM or ConOCC or FAnoGAN or TEND"
	$(OF_LOWEST) tests/test_packaging.py tests/datasets tests/plotting tests/preprocessing tests/model_selection tests/svm/test_ocsvm.py

test-slow: $(READY)
	$(BIN)/python -m pytest -m "slow and not gpu"

test-gpu: $(READY)
	$(BIN)/python -m pytest -m gpu

bench-gpu: $(READY)
	$(BIN)/python benchmarks/gpu.py

lint: $(READY)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: $(READY)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

# The pages of docs/ that are made from the code: all parameters, from the signatures, and the layers, from the imports.
pages: $(READY)
	$(BIN)/python docs/make_parameters.py
	$(BIN)/python docs/make_layers.py

# Pin anew: the newest versions that fit pyproject.toml, beside torch 2.13.0.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet torch==2.13.0
	$(VENV)-lock/bin/python -m pip install --quiet ".[images,nifti,jpeg,plot,accelerate,dask,dev]"
	$(VENV)-lock/bin/python -m pip freeze --exclude sklearn_occ | sed 's/^torch==.*/torch==2.13.0/' > requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) $(LOWEST) results
