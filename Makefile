# Every target makes .venv, or brings it up to date, when it is missing or stale: see install.py.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
                      "$$p" install.py --suits 2>/dev/null && exit; done; command -v python3 || command -v python)
BIN    := .venv/bin
RUN    := PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test lab unit exercises lectures site grade formgrader bench format clean

help: ## show this page
	@echo "A course on deep generative models that runs. Targets:"
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: .venv/ready ## grade a made-up class of students over all units and show the grades
	$(RUN) $(BIN)/python -m grading demo

test: .venv/site ## lint, run every test, re-run every lecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(RUN) $(BIN)/python -m pytest -n $(JOBS) --dist loadscope
	$(RUN) $(BIN)/python -m pytest -n $(JOBS) --dist loadscope --nbval lectures

lab: .venv/ready ## open JupyterLab on a page that lists the units and your progress
	$(RUN) $(BIN)/python -m dgm_lib.lab

unit: .venv/ready ## begin a new unit: make unit NAME=16_something
	@$(RUN) $(BIN)/python -m tests.course.skeleton "$$NAME"

exercises: .venv/ready ## write exercises/ anew from solutions/
	$(RUN) $(BIN)/python -m grading release

lectures: .venv/ready ## run every lecture (or LECTURE=04_boltzmann) and store its outputs
	$(RUN) $(BIN)/python -m lectures.execute $(LECTURE)

site: .venv/site ## write the course as a website into build/site, from the stored outputs
	$(RUN) $(BIN)/python -m lectures.website

grade: .venv/ready ## grade what lies in grading/submitted/ for UNIT=04_boltzmann
	@test -n "$(UNIT)" || { echo "Say which unit: make grade UNIT=04_boltzmann"; exit 2; }
	$(RUN) $(BIN)/python -m grading autograde $(UNIT) --jobs $(JOBS)

formgrader: .venv/ready ## open JupyterLab with the class's gradebook: menu Nbgrader, Formgrader
	$(RUN) JUPYTER_CONFIG_PATH="$(CURDIR)/grading" $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root)

bench: .venv/bench ## measure speed and quality beside the peers
	$(RUN) $(BIN)/python tests/benchmarks/run.py $(BENCH)

format: .venv/ready ## format code and notebooks
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv, caches and the demo's class
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build START.md *.egg-info grading/demo
	find . -name __pycache__ -prune -exec rm -rf {} +

# Stale, too, when the folder was moved, its Python is gone, or install.py was killed at work.
BROKEN := $(shell [ ! -e .venv/ready ] || { [ "$$(cat .venv/ready)" = "$$(pwd -P)" ] && \
                      [ ! -e .venv/tmp ] && .venv/bin/python -Sc ''; } 2>/dev/null || echo broken)
.PHONY: broken

.venv/ready: constraints.txt pyproject.toml $(BROKEN)
	$(INSTALL) ready

.venv/bench: .venv/ready
	$(INSTALL) bench

.venv/site: .venv/ready
	$(INSTALL) site

INSTALL = @[ -n "$(PYTHON)" ] || { \
    echo "There is no Python here. Install Python 3.11 to 3.14 (on Debian and Ubuntu:" \
         "apt-get install python3 python3-venv), then run make again."; exit 1; } >&2; \
    "$(PYTHON)" install.py
