# `make help` lists the targets. Everything is installed into .venv; nothing outside of it is touched but by `make test`
# and `make bench`, which install the programs that they need (PostgreSQL, cc) when they are missing.
# ARGS is passed on: make run ARGS="--workers 2", make test ARGS="tests/wire -k xml", make bench ARGS=--quick

ARGS ?=
PEERS ?=
# One more than there are processors: tests wait for servers, too.
JOBS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
IMAGE ?= s3gw
CONTAINER ?= $(shell command -v podman || command -v docker || echo podman)
BIN := .venv/bin
# Where an environment forbids to keep compiled modules, each of the hundreds of processes that tests start would compile
# all of s3gw again, which is more than half of a start's CPU time.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run check lint test coverage soak bench compat openapi docs screenshots image format clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | awk -F'|' '{printf "%-11s %s\n", $$1, $$2}'

run: .venv/.runtime ## install into .venv and serve on 127.0.0.1:9000, data in ./data
	@exec $(BIN)/s3gw serve $(ARGS)

check: lint test ## everything that must pass: format, lint, types, tests

lint: .venv/.installed ## format, lint and types, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: .venv/.installed ## the whole test suite in parallel, or ARGS; installs PostgreSQL when there is none
	@programs=$$(sh scripts/install-test-programs.sh) || exit 1; export PATH="$$programs:$$PATH"; \
	exec $(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n $(JOBS) --dist worksteal)

# Counting lines takes three quarters more of CPU. What combine says is not decisive: the tests kill processes, some while
# they write their counts.
coverage: .venv/.installed ## the whole test suite, and which lines it doesn't reach
	@programs=$$(sh scripts/install-test-programs.sh) || exit 1; export PATH="$$programs:$$PATH"; \
	$(BIN)/coverage erase; \
	$(BIN)/coverage run -m pytest -n $(JOBS) --dist worksteal; outcome=$$?; \
	$(BIN)/coverage combine --quiet; \
	$(BIN)/coverage report || outcome=$$(( outcome ? outcome : 2 )); \
	exit $$outcome

# S3GW_SOAK_SECONDS is how long the soak itself lasts on each database.
soak: .venv/.installed ## what takes long and rarely fails: half an hour of mixed load, every byte compared, and more
	@sh scripts/install-fuse.sh
	@sh scripts/install-brokers.sh
	@sh scripts/install-stores.sh $(BIN)
	@sh scripts/install-proxies.sh
	@sh scripts/install-haproxy.sh
	@sh scripts/install-browser.sh $(BIN) all
	@programs=$$(sh scripts/install-test-programs.sh) || exit 1; export PATH="$$programs:$$PATH"; \
	S3GW_SOAK_SECONDS=$${S3GW_SOAK_SECONDS:-1800} exec $(BIN)/python -m pytest -m soak $(ARGS)

bench: .venv/.installed ## the table of the cost budget; PEERS="minio versitygw" measures those; ARGS=--quick
	@sh scripts/install-c-compiler.sh
	$(BIN)/python -m bench.run --peers "$(PEERS)" $(ARGS)

compat: .venv/.installed ## real S3 clients against a running gateway
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python compat/run.py $(ARGS)

openapi: .venv/.installed ## write docs/openapi.json, the document of the JSON API
	$(BIN)/python -m s3gw.api > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

docs: openapi ## write docs/openapi.json, and the parts of docs/*.md that are made from the code
	$(BIN)/python -m tests.generated_docs

screenshots: .venv/.installed ## take the pictures of the console that the README shows, with Chromium
	@sh scripts/install-browser.sh $(BIN)
	$(BIN)/python -m tests.screenshots

image: ## build the container image with podman or docker
	$(CONTAINER) build -f Containerfile -t $(IMAGE) .

format: .venv/.installed ## format the code and fix what lint can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was built and measured; .venv and data stay
	rm -rf build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# What serves, without what develops, which `make test` and `make lint` add to the same environment.
.venv/.runtime: pyproject.toml scripts/make-venv.sh
	@echo "installing s3gw into .venv …"
	@sh scripts/make-venv.sh .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.installed: pyproject.toml scripts/make-venv.sh
	sh scripts/make-venv.sh .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch .venv/.runtime $@
