# make run    the product with its demo company, on 127.0.0.1:8000 (PORT)
# make test   what to run before each commit, six to nine minutes of two cores: style, types, floors, every
#             test on SQLite but the dear ones, what PostgreSQL does otherwise, a story in a real browser
# make test-rest  all that make test leaves out, half an hour or more: the dear tests, the others on PostgreSQL,
#             the other stories, and whether anything reads too much; CI runs both
# make lint   style, types, floors
# make bench  every goal of speed, for 10,000 to a million contacts, on both databases: hours where
#             the machine has other work (SIZES, TURNS; docs/bench.md)
# make bench-quick  does any list, search or check read too much? make test-rest does it too
# make load   fifty people click for ten minutes while exports run, on both databases (PEOPLE, MINUTES)
# make chaos  what happens to servers, while real workers write, on both databases (EXPORTS, SEED)
# make prove  20,000 made-up worlds against the oracle, 1,000 raced requests, on both databases; 300
#             worlds of administrators at random
#             (WORLDS, JOBS, SEED, START)
# make messages  collect the texts of the product into its catalogues, and compile these
# make lock   compile requirements*.in into requirements*.txt, with hashes

PYTHON ?= python3
UV ?= uv
VENV := .venv
PY := $(VENV)/bin/python

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore
export PIP_NO_INPUT = 1

# Checks and tests answer for the code, not for the database or the address of whoever runs them.
# Compiled modules are kept: the suite starts some hundred processes, and its own modules, rewritten
# by pytest for their assertions, take four times as long to load without.
CLEANED := env -u PYTHONDONTWRITEBYTECODE -u DATABASE_URL -u DEBUG -u ALLOWED_HOSTS -u EXPORT_ROOT -u EMAIL_URL -u PORT -u PROXIES -u SECURE -u SESSION_HOURS -u SESSION_IDLE_MINUTES -u SITE_LANGUAGE -u TIME_ZONE
LINTING := $(CLEANED) DATABASE_URL=sqlite://:memory: SECRET_KEY=for-checks-only
TESTING := $(CLEANED) SECRET_KEY=for-tests-only
BENCHING := $(CLEANED) SECRET_KEY=for-the-bench-only
PYTEST := $(PY) -m pytest
DRAWN := $(addprefix tests/claims/test_,catalogue.py changes.py export_bulk.py export_csv.py export_names.py permission_history.py policy_file.py)
PARALLEL := -m "not browser" -n 2 --dist loadgroup

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: run test test-rest lint bench bench-quick load chaos prove messages lock

# exec: nothing stands between a signal and the supervisor.
run: $(VENV)/.ready-to-run
	@exec $(PY) -m crmperms.serve

test: lint
	$(call tested,first)

test-rest: bench-quick
	$(call tested,rest)

# Each test is in one of both parts, on each database (tests/support/parts.py).
define tested
@$(TESTING) $(PYTEST) $(PARALLEL) --one-database-each --part $(1)
@$(TESTING) $(PY) -m tests.postgres $(PYTEST) $(PARALLEL) --one-database-each --part $(1)
@chromium=$$($(PY) -m tests.support.chromium) || exit 1; \
  if [ -n "$$chromium" ]; then $(TESTING) CHROMIUM="$$chromium" $(PYTEST) tests/browser -m browser -n 2 --dist loadfile --part $(1); fi
endef

lint: $(VENV)/.ready-to-test
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(LINTING) $(PY) -m mypy & types=$$!; \
	  $(LINTING) $(VENV)/bin/lint-imports --no-cache && \
	  $(LINTING) $(PY) manage.py makemigrations --check --dry-run && \
	  $(LINTING) $(PY) manage.py check --fail-level WARNING; \
	  rest=$$?; wait $$types && exit $$rest

# SIZES are numbers of contacts; a size that was made is used again, see bench/company.py.
bench: $(VENV)/.ready-to-test
	@$(BENCHING) $(PY) -m bench.run
	@$(BENCHING) $(PY) -m tests.postgres $(PY) -m bench.run

# Counts rows, buffers and steps, and no time: it may fail wherever tests may.
bench-quick: $(VENV)/.ready-to-test
	@$(BENCHING) $(PY) -m bench.quick
	@$(BENCHING) $(PY) -m tests.postgres $(PY) -m bench.quick

# PEOPLE, MINUTES, PAUSE and CONTACTS may be given.
load: $(VENV)/.ready-to-test
	@$(BENCHING) $(PY) -m bench.load
	@$(BENCHING) $(PY) -m tests.postgres $(PY) -m bench.load

# Kills, freezes, a full disk, a wrong clock, restarts; EXPORTS and SEED may be given.
chaos: $(VENV)/.ready-to-test
	@$(BENCHING) $(PY) -m bench.chaos
	@$(BENCHING) $(PY) -m tests.postgres $(PY) -m bench.chaos

prove: $(VENV)/.ready-to-test
	@$(TESTING) DATABASE_URL=sqlite://:memory: $(PY) -m tests.support.prove
	@$(TESTING) EXPORT_ENEMIES=1000 $(PYTEST) tests/claims/test_export_enemies.py
	@$(TESTING) EXPLORE=1 $(PYTEST) $(DRAWN)
	@$(TESTING) DELEGATION_WORLDS=300 $(PYTEST) tests/claims/test_delegation_machine.py
	@$(TESTING) $(PY) -m tests.postgres $(PY) -m tests.support.prove
	@$(TESTING) EXPORT_ENEMIES=1000 $(PY) -m tests.postgres $(PYTEST) tests/claims/test_export_enemies.py

# Ends with an error where a text has no translation yet.
messages: $(VENV)/.ready-to-test
	@$(PY) -m tests.support.messages

lock:
	@$(UV) --version >/dev/null || { echo "make lock needs uv: $(PYTHON) -m pip install uv"; exit 1; }
	@for name in requirements requirements-dev; do \
	  $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 $$name.in --output-file $$name.txt || exit 1; \
	done

# --- The virtual environment ----------------------------------------------------------------------
# A stamp is written only after an installation succeeded; `.unfinished` stays behind one that did
# not, and then the next attempt starts from nothing. Debian without python3-venv cannot put pip into
# a new environment, so the pip outside installs into it.

define install
@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("crmperms needs Python 3.11 or newer; name one with PYTHON=…")'
@if [ -e $(VENV)/.unfinished ] || ! $(PY) -c "" 2>/dev/null; then \
  rm -f $(VENV)/.ready-to-*; \
  $(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --without-pip --clear $(VENV); \
fi
@echo "Installing $(1) into $(VENV) (once) …"
@touch $(VENV)/.unfinished
@if $(PY) -m pip --version >/dev/null 2>&1; then pip="$(PY) -m pip"; else pip="$(PYTHON) -m pip --python $(PY)"; fi; \
  $$pip install -q -q --no-warn-script-location --require-hashes -r $(1)
@rm $(VENV)/.unfinished
@touch $@
endef

$(VENV)/.ready-to-run: requirements.txt
	$(call install,$<)

$(VENV)/.ready-to-test: requirements-dev.txt
	$(call install,$<)
