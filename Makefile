# The commands of the house. `make run` and `make test` need git, make and Python 3.11; no more.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1 $(BIN)/python -m pip install --quiet
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make requirements" build/pins/bin/pip-compile --quiet --no-config \
	--generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help run setup setup-dev setup-bench check test system-packages torture bench requirements clean

help:
	@echo "make run           start a development server on http://127.0.0.1:8080 (ARGS=... for its flags)"
	@echo "make test          all tests and checks"
	@echo "make check         the checks alone: lint, types, imports, generated code"
	@echo "make torture       kill, starve and attack a running server"
	@echo "make bench         measure it"
	@echo "make setup         only prepare $(VENV)"
	@echo "make requirements  pin the requirements anew (UPGRADE=--upgrade for the newest of each)"

run: setup
	@exec $(BIN)/strongroom dev $(ARGS)

# --- .venv: each stamp stands for a set of requirements that is installed

setup: $(VENV)/.runtime
setup-dev: $(VENV)/.dev
setup-bench: $(VENV)/.bench

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed, and there is no python3 here." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module is needed (on Debian: python3-venv)." >&2; exit 1; }

$(VENV)/.runtime: requirements/base.txt pyproject.toml | $(VENV)/bin/python
	@echo "Setting up $(VENV) ..." >&2
	@$(PIP) --require-hashes --requirement requirements/base.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@$(BIN)/python -m compileall -q src  # or the first start would do it, and take seconds longer
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@$(PIP) --require-hashes --requirement requirements/dev.txt
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	@$(PIP) --require-hashes --requirement requirements/bench.txt
	@touch $@

# --- tests

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/generate_shapes.py --check
	$(BIN)/python tools/generate_refusals.py --check
	$(BIN)/python tools/unread_members.py

# One process more than two cores have: many tests of whole servers wait for them most of the time.
test: check system-packages
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

system-packages:
	@tools/install_system_packages.sh

# Tests of other folders that judge times: for torture, which has the machine to itself, by stricter limits.
JUDGE_TIMES := tests/conformance/test_hsm_faults.py tests/conformance/test_hsm_key_stores.py \
	tests/operations/test_external_key_stores.py tests/unit/boundary/test_slow_work.py \
	tests/unit/processes/test_supervisor.py tests/unit/wire_front

torture: setup-dev system-packages
	TORTURE=true ABSENT_TOKEN_ROTATIONS=3 $(BIN)/pytest -v tests/faults tests/secrets $(ARGS)
	TORTURE=true $(BIN)/pytest -v $(JUDGE_TIMES)
	ROLLED_BACK_TOKENS=1000 $(BIN)/pytest -v tests/operations/test_rolled_back_tokens.py
	GO_CLIENTS=all $(BIN)/pytest -v tests/conformance/test_go_sdk.py tests/conformance/test_go_slow.py
	RUST_CLIENTS=all $(BIN)/pytest -v tests/conformance/test_rust_sdk.py
	JAVA_CLIENTS=all $(BIN)/pytest -v tests/conformance/test_java_sdk.py
	KEY_LIFE_EXAMPLES=1000 IMPORTED_KEY_LIFE_EXAMPLES=400 MULTI_REGION_LIFE_EXAMPLES=400 ROTATION_LIFE_EXAMPLES=400 \
		WHOLE_KEY_LIFE_EXAMPLES=250 $(BIN)/pytest -n 2 -v tests/properties/test_*_life.py
	POLICY_WORLDS=100000 $(BIN)/pytest -n 2 -v tests/properties/test_engine_against_slow_evaluator.py
	STRONGROOM_BACKUP_FLIPS=100000 SEAL_BIT_FLIPS=100000 TOKEN_FLIPS=100000 DAMAGES=100000 $(BIN)/pytest -n 2 -v \
		-k "flipped or damaged" tests/unit/backup/test_archive.py tests/unit/boundary/test_seal_slots.py \
		tests/unit/boundary/test_pkcs11_module.py tests/properties/test_damaged_tokens_and_blobs.py

bench: setup-bench
	$(BIN)/python bench/run.py $(ARGS)

# --- requirements: with hashes, and without a word about where they were found

requirements: build/pins/.ready
	$(PIP_COMPILE) --output-file requirements/base.txt pyproject.toml requirements/base.in
	$(PIP_COMPILE) --output-file requirements/dev.txt requirements/dev.in
	$(PIP_COMPILE) --output-file requirements/bench.txt requirements/bench.in
	$(PIP_COMPILE) --output-file requirements/tools.txt requirements/tools.in

build/pins/.ready: requirements/tools.txt
	@$(PYTHON) -m venv build/pins
	@build/pins/bin/python -m pip install --quiet --require-hashes --requirement requirements/tools.txt
	@touch $@

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
