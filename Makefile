# make demo, make test: all that a fresh machine with Python 3.11 and pip needs. The rest is for developers.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ifeq ($(shell uname -s),Linux)
XVFB := xvfb-run -a -s "-screen 0 1600x1200x24"
endif

.PHONY: demo test lint bench screenshots clean
.DELETE_ON_ERROR:

demo: .venv/package.stamp
	$(BIN)/napari-spoco demo

test: .venv/tox.stamp
	.ci/display
	$(XVFB) $(BIN)/tox run $(if $(TESTS),-- $(TESTS))

lint: .venv/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/dev.stamp
	for script in benchmarks/*.py; do $(BIN)/python "$$script" || exit 1; done

screenshots: .venv/dev.stamp
	.ci/display
	$(XVFB) $(BIN)/python docs/screenshots.py

clean:
	rm -rf .venv .tox .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage dist build

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/package.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) install -c constraints.txt -e .
	touch $@

.venv/tox.stamp: | .venv/bin/python
	$(PIP) install "tox>=4.23" virtualenv
	touch $@

# Dependency groups need pip 25.1.
.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) install --upgrade "pip>=25.1"
	$(PIP) install -c constraints.txt -e . --group dev
	touch $@
