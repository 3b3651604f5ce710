# make demo       try it: everything on this machine, nothing else needed
# make run        the portal alone
# make test       the tests
# make test-browser  a walk through the portal in Chromium
# make check      what has to be clean: lint, types, layers, migrations
#
# ARGS goes to the command; PORTAL_DATA_DIR moves all state; PYTHON chooses the interpreter.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
PYTHON_HERE := .venv/bin/python
PIP := $(PYTHON_HERE) -m pip --disable-pip-version-check --no-input
DATA := $(or $(PORTAL_DATA_DIR),.data)
PACKAGES := portal tenants backups sandbox
ARGS ?=
UV ?= uv

.PHONY: demo demo-clean run test test-browser screenshots check lint types layers migrations \
	collectable lock

demo: .venv/run.stamp
	@$(PYTHON_HERE) manage.py demo $(if $(MAIL),--mail "$(MAIL)") $(ARGS)

# Only a folder that the portal made (it holds its key) is deleted.
demo-clean:
	@if [ -x $(PYTHON_HERE) ]; then $(PYTHON_HERE) manage.py database clean; fi
	@if [ -e "$(DATA)/secret.key" ]; then rm -rf "$(DATA)"; fi

run: .venv/run.stamp
	@$(PYTHON_HERE) manage.py up $(ARGS)

test: .venv/dev.stamp
	@$(PYTHON_HERE) -m pytest -n auto $(ARGS)

# Needs Chromium: apt install chromium.
test-browser: .venv/dev.stamp
	@$(PYTHON_HERE) -m pytest tests/browser -m browser $(ARGS)

# Pictures of every page, into docs/images.
screenshots: .venv/dev.stamp
	@$(PYTHON_HERE) -m tests.browser.screenshots

check: lint types layers migrations collectable

lint: .venv/dev.stamp
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@find templates -name '*.html' -exec .venv/bin/djade --target-version 5.2 --check {} +

types: .venv/dev.stamp
	@.venv/bin/mypy $(PACKAGES)

layers: .venv/dev.stamp
	@.venv/bin/lint-imports

# A test file that can't be imported is found here in seconds, not after the whole suite.
collectable: .venv/dev.stamp
	@$(PYTHON_HERE) -m pytest tests --collect-only -qq >/dev/null || { \
		$(PYTHON_HERE) -m pytest tests --collect-only -qq; exit 1; }

migrations: .venv/dev.stamp
	@$(PYTHON_HERE) -W ignore manage.py makemigrations --check --dry-run

lock:
	$(UV) pip compile --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --extra embedded pyproject.toml -o requirements/run.txt
	$(UV) pip compile --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --extra embedded --extra dev pyproject.toml -o requirements/dev.txt

.venv/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11, 3.12 or 3.13 was not found; name one with make PYTHON=…" >&2; exit 1; fi
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/%.stamp: requirements/%.txt | .venv/bin/python
	@echo "Installing the locked dependencies (once, about a minute) …" >&2
	@$(PIP) install --quiet --require-hashes -r $<
	@touch $@
