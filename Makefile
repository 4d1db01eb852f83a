# `make run` starts the whole hub, `make test` tests it. Nothing is needed but Python 3.11 (or newer) and make.

PYTHON ?= python3
VENV ?= .venv
# More than two cores can do: many tests wait, for leases, for browsers, for processes that start.
JOBS ?= 4
PYTEST_ARGS ?=
CHAOS_ARGS ?=
BENCH_ARGS ?=
PYTHONS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Compiled modules make every start three times as fast; `PYTHONDONTWRITEBYTECODE` is set in many containers.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test thorough fuzz check lint bench bench-events bench-auth bench-menus bench-sdk chaos chaos-events isolation reference wheel wheel-check lock

help:  ## List what can be made.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

run: $(INSTALLED)  ## Start the hub with its engines and two example services; Ctrl-C stops everything.
	@exec $(BIN)/python manage.py runhub

test: $(INSTALLED)  ## Run all tests, on PostgreSQL and Redis from wheels.
	@exec $(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

thorough: $(INSTALLED)  ## Run the tests that `make test` leaves out: storms, crowds, requests made up from the OpenAPI document, each page in both themes.
	@exec $(BIN)/python -m pytest -m thorough -n 2 --dist loadscope --timeout=300 $(PYTEST_ARGS)

fuzz: $(INSTALLED)  ## Send the API many made-up requests, as its own OpenAPI document describes them.
	@SCHEMATHESIS_EXAMPLES=1000 SCHEMATHESIS_SEED=$$(date +%s) exec $(BIN)/python -m pytest tests/contract/test_openapi.py -m "" --timeout=0 $(PYTEST_ARGS)

check: lint test thorough  ## Run every check there is: format, lint, types, imports, generated code, settings, and the tests.

lint: $(INSTALLED)  ## Run the checks of `make check` that need no engines.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	DEBUG=1 $(BIN)/mypy apps xerpium sdk/src examples tools tests/support tests/sdk/service/typed.py
	DEBUG=1 $(BIN)/lint-imports
	$(BIN)/python tools/unasync.py --check
	$(BIN)/python tools/reference.py --check
	env -u DEBUG -u HUB_OPEN ALLOWED_HOSTS=hub.example SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(48))')" \
		KEY_PEPPERS="1:$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(48))')" \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

bench: $(INSTALLED)  ## Measure the hub against its peers; takes some minutes and wants a quiet machine.
	@exec $(BIN)/python -m benchmarks

bench-events: $(INSTALLED)  ## Measure the event bus beside raw redis-py, FastStream and Celery; takes half an hour.
	@exec $(BIN)/python -m benchmarks.events $(BENCH_ARGS)

bench-auth: $(INSTALLED)  ## Measure tokens beside bare PyJWT, and what authentication and keeping companies apart cost.
	@exec $(BIN)/python -m benchmarks.auth $(BENCH_ARGS)

bench-menus: $(INSTALLED)  ## Measure the tree of 10,000 menu items beside a naive serializer and one query with a dict.
	@exec $(BIN)/python -m benchmarks.menus $(BENCH_ARGS)

bench-sdk: $(INSTALLED)  ## Measure what the SDK costs a service: its import, a breaker, a lookup, each beside its peers.
	@exec $(BIN)/python -m benchmarks.sdk $(BENCH_ARGS)

chaos: $(INSTALLED)  ## Kill, freeze and empty each part of a running hub, and count what is lost; takes some minutes.
	@exec $(BIN)/python -m tests.chaos $(CHAOS_ARGS)

chaos-events: $(INSTALLED)  ## Kill, freeze and cut everything around the event bus under load, and prove that nothing is lost; takes some minutes.
	@exec $(BIN)/python -m tests.chaos_events $(CHAOS_ARGS)

isolation: $(INSTALLED)  ## Send a hub 100,000 requests for three companies, then take each wall away and see that tests notice.
	@$(BIN)/python -m tests.isolation
	@DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m tests.isolation.walls

reference: $(INSTALLED)  ## Write docs/reference from the SDK's docstrings.
	@exec $(BIN)/python tools/reference.py

wheel: $(INSTALLED)  ## Build the SDK's wheel into dist/; the same commit gives the same bytes.
	@exec $(BIN)/python tools/wheel.py

wheel-check: $(INSTALLED)  ## Build it twice, compare, install it with nothing else and use it; PYTHONS names more interpreters.
	@exec $(BIN)/python tools/wheel.py --check --python $(PYTHONS)

lock: $(INSTALLED)  ## Compile requirements.in into requirements.txt.
	$(BIN)/uv pip compile --quiet --no-header --annotation-style line --python-version 3.11 requirements.in -o requirements.txt

$(INSTALLED): requirements.txt sdk/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -e sdk
	@touch $@
