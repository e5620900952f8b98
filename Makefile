# The words of this project. `make` lists them. Nothing here asks a question.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check bench chaos soak fuzz microphone overload fleet test-arm64 test-ha test-studio kit clean system python lint

# The first Python that is new enough; override with PYTHON=/path/to/python3.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
    "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done; true)

DEMO := .venv
TEST := .venv-test
STUDIO := .venv-studio
PIP := -m pip --disable-pip-version-check --no-input install --quiet

export TF_CPP_MIN_LOG_LEVEL ?= 3

help: ## list these words
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r word text; do \
	    printf 'make %-10s %s\n' "$$word" "$$text"; done

demo: $(DEMO)/.installed ## install the edge into .venv and show it at work; needs Python 3.11 and the network once
	$(DEMO)/bin/earmark demo $(ARGS)

# What listens, speaks or publishes has the machine to itself; the rest is shared out, a file at a time. Exit code 5: ARGS
# chose nothing of one half.
test: system $(TEST)/.installed lint ## everything: system packages (apt), .venv-test, lint, types, all tests
	OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 $(TEST)/bin/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile \
	    -m "not broker and not microphone" $(ARGS) || [ $$? -eq 5 ]
	$(TEST)/bin/python -m pytest -q -m "broker or microphone" $(ARGS) || [ $$? -eq 5 ]

check: $(TEST)/.installed lint ## lint, types and the tests that need no broker, microphone or TensorFlow
	$(TEST)/bin/python -m pytest -q -m "not broker and not microphone and not training" $(ARGS)

bench: $(DEMO)/.installed ## measure speed, memory and latency on this machine
	$(DEMO)/bin/earmark bench $(ARGS)

chaos: $(TEST)/.installed ## kill broker and daemon 50 times each, fill the disk, lose nothing; ARGS="--events 500 --kills 5"
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m tests.reliability.chaos $(ARGS)

soak: $(TEST)/.installed ## a day of sound through the daemon, faster than real time; ARGS="--hours 168" for a week
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m tests.reliability.soak $(ARGS)

fuzz: $(TEST)/.installed ## hostile input to everything that a stranger can reach, ten minutes; ARGS="--seconds 3600", ARGS=--list
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m tests.fuzz $(ARGS)

microphone: $(TEST)/.installed ## let everything happen to a microphone that can; ARGS="--rounds 10"
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m tests.reliability.microphone $(ARGS)

overload: $(TEST)/.installed ## more sound than the machine can handle; ARGS="--minutes 10 --slowness 4"
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m tests.reliability.overload $(ARGS)

fleet: $(TEST)/.installed ## three devices upgraded over SSH, with real installations (root, network, ten minutes)
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m tests.deploy.fleet.upgrades $(ARGS)

test-arm64: $(TEST)/.installed ## the life of a device in emulated Debians (root, network, an hour); ARGS="bookworm --quick"
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m tests.arm64.check $(ARGS)

test-ha: $(TEST)/.installed ## Earmark in a house with a real Home Assistant (root, network; ten minutes); ARGS="--only broker"
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m tests.homeassistant.check $(ARGS)

# Streamlit and what it brings (pandas, pyarrow) take 300 MB, so they have an environment of their own.
test-studio: $(STUDIO)/.installed ## the studio's pages, and all of it in Chromium, beside a daemon (apt install chromium mosquitto)
	OMP_NUM_THREADS=1 $(STUDIO)/bin/python -m pytest -q tests/edge/studio $(ARGS)

kit: | python ## one file that installs Earmark on a Pi, earmark-VERSION-arm64.pyz; ARGS="--release trixie"
	"$(PYTHON)" -m deploy.install kit $(ARGS)

clean: ## remove the virtual environments, caches and build products
	rm -rf $(DEMO) $(TEST) $(STUDIO) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lint: $(TEST)/.installed
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/python -m mypy

$(DEMO)/.installed: EXTRAS := demo
$(TEST)/.installed: EXTRAS := mic,train,test,demo
$(STUDIO)/.installed: EXTRAS := studio,browser
$(DEMO)/.installed $(TEST)/.installed $(STUDIO)/.installed: setup.cfg pyproject.toml | python
	@echo "Installing earmark[$(EXTRAS)] into $(@D); this takes a minute or more, once."
	@$(@D)/bin/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(@D)
	$(@D)/bin/python $(PIP) --editable '.[$(EXTRAS)]'
	@touch $@

python:
	@if [ -z "$(PYTHON)" ]; then \
	    echo "Earmark needs Python 3.11 or newer, and there is none on the PATH. Install one, or run make PYTHON=/path/to/python3." >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is no Python 3.11 or newer. Install one, or run make PYTHON=/path/to/python3." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make virtual environments. On Debian: sudo apt install python3-venv" >&2; exit 1; }

system:
	@.ci/packages "$(PYTHON)"
