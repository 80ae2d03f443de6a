# `make demo` and `make test` are all that a fresh machine needs. Everything lands in .venv.

NEED   := import sys; assert sys.version_info >= (3, 11)
first   = $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
            "$$p" -c '$(1)' 2>/dev/null && echo "$$p" && break; done)
# The first interpreter that is new enough and can make a virtual environment; or PYTHON=/a/path.
PYTHON := $(or $(PYTHON),$(call first,$(NEED); import ensurepip; import venv))
BIN    := .venv/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test parity notebook check clean help
.DELETE_ON_ERROR:

help:
	@echo "make demo      train on real data with 1 process, 2 workers, 3 workers of which one is killed"
	@echo "make test      run the tests         (ARGS=--slow: the slow ones too)"
	@echo "make parity    install PyTorch, so that 'make test' compares with it as well"
	@echo "make notebook  execute examples/tour.ipynb"
	@echo "make check     ruff and mypy"
	@echo "make clean     remove .venv and what the tools left; runs/ stays"

demo: .venv/core.stamp
	$(BIN)/python scripts/demo.py

test: .venv/test.stamp
	$(BIN)/python -m pytest $(ARGS)

parity: .venv/parity.stamp

# Any cell that raises fails it. The notebook itself stays without outputs.
notebook: .venv/notebook.stamp
	mkdir -p build
	$(BIN)/jupyter-execute --timeout=60 --output='$(CURDIR)/build/tour.ipynb' examples/tour.ipynb

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf .venv build dist *.egg-info .hypothesis .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is touched last: an install that was interrupted is done again, a finished one is not.
.venv/core.stamp: pyproject.toml
	$(if $(PYTHON),,$(error $(REMEDY)))
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/test.stamp: .venv/core.stamp
	$(PIP) --editable '.[test]'
	@touch $@

.venv/dev.stamp: .venv/test.stamp
	$(PIP) --editable '.[dev]'
	@touch $@

.venv/parity.stamp: .venv/test.stamp
	$(PIP) torch==2.13.0 expecttest
	@touch $@

.venv/notebook.stamp: .venv/core.stamp
	$(PIP) --editable '.[notebook]'
	@touch $@

OLD     = no Python >= 3.11 found. Install one (Debian, Ubuntu: apt-get install python3 python3-venv) \
or name it: make demo PYTHON=/path/to/python3
NO_VENV = $(call first,$(NEED)) cannot make a virtual environment. Install its venv module \
(Debian, Ubuntu: apt-get install python3-venv) or name another: make demo PYTHON=/path/to/python3
REMEDY  = $(if $(call first,$(NEED)),$(NO_VENV),$(OLD))
