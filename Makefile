# Everything works from a clean clone: the virtual environment is made, and made again when setup.cfg changes.
#   make serve PYTHON=python3.12 ARGS="--http-port 9090"    make test TESTS=tests/codec

PYTHON ?= python3
VENV := .venv
ARGS ?=
TESTS ?= tests
JOBS ?= 0
BIN := $(VENV)/bin

# Where it is set, each process of a server compiles all of ours once more: a second of processor each.
unexport PYTHONDONTWRITEBYTECODE

# fhir.resources installs a regular package `fhir` whose __init__.py is empty, and an editable install comes after it
# on the path: our `fhir` would never be seen. From the front of the path ours finds both (pkgutil.extend_path).
PUT_CHECKOUT_FIRST = printf 'import sys; sys.path.insert(0, "%s")\n' "$(CURDIR)" \
	> "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/pacsd-checkout.pth"

.PHONY: serve viewer test lint audit bench soak conformance readme

serve: $(VENV)/.runs
	$(BIN)/pacsd serve --data ./pacsd-data $(ARGS)

# The prebuilt OHIF viewer, for /viewer/: make viewer ARGS="--from ohif-app-3.13.2.tgz"
viewer: $(VENV)/.runs
	$(BIN)/pacsd viewer install --data ./pacsd-data $(ARGS)

# JOBS=2: two processes share the files (tests/shares.py), in two thirds of the time.
test: $(VENV)/.tests
	$(BIN)/python -m pytest $(TESTS) --numprocesses=$(JOBS) --dist=loadfile $(ARGS)

lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/mypy

# Published weaknesses of what is installed, where a list of them can be reached
audit: $(VENV)/.tests
	$(PYTHON) -m venv $(VENV)/audit
	-$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit >=2.9'
	$(BIN)/python -m tests.audit_dependencies $(VENV)/audit/bin/python

bench: $(VENV)/.tests
	$(BIN)/python -m tests.bench $(ARGS)

soak: $(VENV)/.tests
	$(BIN)/python -m tests.soak $(ARGS)

# The table in the README: this server, and Orthanc where it is installed, before the black-box suite
conformance: $(VENV)/.tests
	$(BIN)/python -m tests.conformance $(ARGS)

# PostgreSQL runs as a user of its own when we are root, and must be able to run its binaries: umask.
$(VENV)/bin/python:
	umask 022 && $(PYTHON) -m venv $(VENV)

$(VENV)/.runs: setup.cfg pyproject.toml | $(VENV)/bin/python
	umask 022 && $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	$(PUT_CHECKOUT_FIRST)
	touch $@

$(VENV)/.tests: setup.cfg pyproject.toml | $(VENV)/bin/python
	umask 022 && $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	$(PUT_CHECKOUT_FIRST)
	touch $(VENV)/.runs $@

# Tables of the README files that the code's own tables tell
readme: $(VENV)/.runs
	$(BIN)/pacsd claims | $(BIN)/python -m conformance.statement README.md README.zh-CN.md
