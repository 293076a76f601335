# `make run` is all a newcomer needs; every target sets up what it uses. Works with GNU make 3.81.
SHELL := /bin/sh
VENV := .venv
PYTHON := $(VENV)/bin/python
ARGS :=

# Without compiled files every process that a test starts compiles the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run quick test fuzz check soak stress snapshots bench screenshots clean
.DEFAULT_GOAL := help

help:
	@echo 'make run [ARGS="--read-only"]   the dashboard'
	@echo 'make quick [ARGS="-k logs"]     the unit tests: no processes, no network'
	@echo 'make test [ARGS="-k logs"]      every test, six at a time'
	@echo 'make fuzz [ARGS="60 -k logs"]    new examples for the property tests, for so many seconds (600)'
	@echo 'make check                      lint, format, types, layers'
	@echo 'make soak [ARGS=2]              a day at the dashboard in 20 minutes, or in so many: nothing may grow'
	@echo 'make stress                     random keys over every screen, and random kills, for a long time'
	@echo 'make snapshots                  tests/system/tui/snapshots anew from the running app'
	@echo 'make bench [ARGS="start idle"]  the figures of docs/performance.md, with their targets'
	@echo 'make screenshots                screenshots/*.svg from the running app'
	@echo 'make clean                      removes the environment and the caches'

run: $(VENV)/run.stamp
	@$(PYTHON) -m flow_tui $(ARGS)

quick: $(VENV)/test.stamp
	@$(PYTHON) -m pytest -n 4 -rs tests/unit $(ARGS)

# Six at a time whatever the cores: most tests wait for a machine or a server. ARGS="-n 0" runs one after the other.
test: $(VENV)/test.stamp
	@$(PYTHON) -m pytest -n 6 -rs $(ARGS)

fuzz: $(VENV)/test.stamp
	@$(PYTHON) tests/fuzz.py $(ARGS)

check: $(VENV)/test.stamp
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy --strict -p flow_core -p flow_tui
	$(PYTHON) -m pytest tests/unit/project/test_layers.py

soak: $(VENV)/test.stamp
	@$(PYTHON) tests/soak/run.py $(ARGS)

stress: $(VENV)/test.stamp
	@FLOW_SOAK_KEYS=$${FLOW_SOAK_KEYS:-5000} FLOW_SOAK_SEEDS=$${FLOW_SOAK_SEEDS:-11,12,13,14} \
		FLOW_KILL_ROUNDS=$${FLOW_KILL_ROUNDS:-22} $(PYTHON) -m pytest tests/system -k "random_keys or kills or kill_rounds" $(ARGS)

snapshots: $(VENV)/test.stamp
	@FLOW_UPDATE_SNAPSHOTS=1 $(PYTHON) -m pytest tests/system/tui/test_screens.py $(ARGS)

bench: $(VENV)/test.stamp
	@$(PYTHON) tests/bench/run.py $(ARGS)

screenshots: $(VENV)/test.stamp
	@PYTHONPATH=tests $(PYTHON) screenshots/make.py $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find flow_core flow_tui tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/run.stamp: WITH := [fast,emulator]
$(VENV)/run.stamp: WITHOUT := [emulator]
$(VENV)/test.stamp: WITH := [fast,dev]
$(VENV)/test.stamp: WITHOUT := [dev]

$(VENV)/run.stamp $(VENV)/test.stamp: pyproject.toml
	@echo 'Setting up $(VENV), once.'; \
	if command -v uv >/dev/null 2>&1; then \
		[ -x $(PYTHON) ] || uv venv --quiet --python '>=3.11' $(VENV) || exit 1; \
		install='uv pip install --quiet --python $(PYTHON)'; \
	else \
		found=; \
		for python in python3 python3.14 python3.13 python3.12 python3.11; do \
			if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
				found=$$python; break; \
			fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo 'No Python 3.11 or newer was found; install one, or uv, and try again.' >&2; exit 1; \
		fi; \
		if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then \
			echo "$$found cannot make environments; install its venv module, such as: apt install python3-venv" >&2; \
			exit 1; \
		fi; \
		$(PYTHON) -m pip --version >/dev/null 2>&1 || $$found -m venv --clear $(VENV) || exit 1; \
		install='$(PYTHON) -m pip install --quiet --disable-pip-version-check'; \
	fi; \
	if ! $$install --only-binary pyghostty -e '.$(WITH)'; then \
		echo 'That did not install; trying without the fast terminal core, which has no build for every system.' >&2; \
		$$install -e '.$(WITHOUT)' || exit 1; \
	fi
	@touch $@
