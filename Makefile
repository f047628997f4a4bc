# Two commands do everything on a fresh machine: `make train EXP=final` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
# three levels of installing, each holding the one before it
USE    := $(VENV)/.installed-use
TRAIN  := $(VENV)/.installed-train
STAMP  := $(VENV)/.installed

EXP    ?= final
DATA   ?=
CLIPS  ?=
VAL    ?=
RESUME ?=
INIT   ?=
IN     ?=
OUT    ?= outputs/deblurred/
ARGS   ?=
FOLDER ?=
TESTS  ?= tests
SERVE  ?=

# one word for the shell, whatever blanks and quotes a name holds; the command itself quotes it for Hydra
quoted = '$(subst ','\'',$(1))'
OVERRIDES = experiment=$(EXP) $(if $(DATA),data=$(DATA)) $(if $(CLIPS),$(call quoted,data.root=$(CLIPS))) \
            $(if $(VAL),$(call quoted,data.val_root=$(VAL))) $(if $(RESUME),$(call quoted,resume=$(RESUME))) $(if $(INIT),$(call quoted,init=$(INIT))) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup deblur serve train sweep prepare faults vla evaluate report experiment test lint bench doctor docs dist clean

help: ## list every target
	@echo "facedeblur: train, compare and use face motion-deblurring networks"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  EXP=hourglass|final|no_identity|identity_nohg|identity_nohg_only2mf2|localizer   what to train (default final)"
	@echo "  DATA=demo|clips CLIPS=<folder of videos, one sub-folder per identity> VAL=<another such folder>"
	@echo "  IN=<photo, video or folder> OUT=<folder or file>   what to deblur, and where to (default $(OUT))"
	@echo "  INIT=<name of weights, or a .safetensors file>   fine-tune instead of training from the start"
	@echo "  RESUME=auto|<run folder>   continue a run;   ARGS=\"key=value ...\"   any Hydra override"

setup: $(STAMP) ## create the virtual environment and install everything, with the pinned versions

# the checkout itself and EXTRAS; torch first and by its exact pin, as a range may
# resolve to another, far larger build
define install
	@test -n "$(PYTHON)" || { echo "no python3.11 or newer found; set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11; set PYTHON=..."; exit 1; }
	@echo "facedeblur: 1/3 a virtual environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade "pip<27"
	@echo "facedeblur: 2/3 torch, by far the largest package"
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	@echo "facedeblur: 3/3 facedeblur and what it needs: $(EXTRAS)"
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
endef

# a level marks those below it as well, so that none is installed twice
$(USE): EXTRAS = faces,heif,serve
$(USE): pyproject.toml constraints.txt
	$(install)
	@touch $(USE)

$(TRAIN): EXTRAS = faces,heif,serve,train,wandb
$(TRAIN): pyproject.toml constraints.txt
	$(install)
	@touch $(USE) $(TRAIN)

$(STAMP): EXTRAS = faces,heif,serve,train,wandb,export,tensorboard,workspaces,docs,dev
$(STAMP): pyproject.toml constraints.txt
	$(install)
	@touch $(USE) $(TRAIN) $(STAMP)

deblur: $(USE) ## deblur the faces in IN, a photo, video or folder, into OUT
	@test -n $(call quoted,$(IN)) || { echo "make deblur IN=photo.jpg [OUT=folder or file] [ARGS=--help]"; exit 2; }
	FACEDEBLUR_MAKE=1 $(BIN)/facedeblur deblur $(call quoted,$(IN)) -o $(call quoted,$(OUT)) $(ARGS)

serve: $(USE) ## a page on this machine to try it: drop a photo or a clip, compare, download
	$(BIN)/facedeblur serve $(ARGS)

train: $(TRAIN) ## train EXP on DATA: stages, validation, table, preview.png
	$(BIN)/facedeblur train $(OVERRIDES)

sweep: $(TRAIN) ## SWEEP=ablations|blur_schedules|lambdas|two_step: variants x seeds, one job per GPU, then their page
	$(BIN)/facedeblur sweep $(SWEEP) $(if $(DATA),data=$(DATA)) $(if $(CLIPS),$(call quoted,data.root=$(CLIPS))) \
	  $(if $(VAL),$(call quoted,data.val_root=$(VAL))) $(ARGS)

prepare: $(TRAIN) ## index, track and plan DATA without training; one report as a page and tables
	$(BIN)/facedeblur prepare $(OVERRIDES)

evaluate: $(TRAIN) ## score METHOD=<run folder,...> on DATA under BLUR=<schedule,...>; rows for the tables
	$(BIN)/facedeblur evaluate $(if $(METHOD),$(call quoted,method=$(METHOD))) $(if $(BLUR),$(call quoted,blur=$(BLUR))) \
	    $(if $(DATA),data=$(DATA)) $(if $(CLIPS),$(call quoted,data.root=$(CLIPS))) $(ARGS)

report: $(TRAIN) ## tables, plots and one HTML page of FOLDER (what evaluate wrote)
	$(BIN)/facedeblur report $(FOLDER) $(ARGS)

experiment: $(TRAIN) ## a table of the paper: NAME=self_evaluation|landmark_localization|face_verification|real_world
	$(BIN)/python experiments/$(or $(NAME),landmark_localization).py $(if $(DATA),data=$(DATA)) $(if $(CLIPS),$(call quoted,data.root=$(CLIPS))) $(ARGS)

test: $(STAMP) ## run the tests (TESTS=path, ARGS="-k name" narrow them down)
	$(BIN)/python -m pytest $(TESTS) $(ARGS)

lint: $(STAMP) ## ruff and the one-way import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

faults: $(STAMP) ## everything that can be wrong with a video, built and read (docs/faults.md)
	$(BIN)/python -m pytest tests/faults $(ARGS)

vla: $(TRAIN) ## what each stop condition of VLA does to the videos in CLIPS (docs/prepare.md)
	$(BIN)/python -m benchmarks.vla $(if $(CLIPS),$(call quoted,$(CLIPS))) $(ARGS)

bench: $(STAMP) ## speed as ratios measured in one run
	$(BIN)/python -m benchmarks $(ARGS)

doctor: $(TRAIN) ## versions, devices, codecs and one training step per device
	$(BIN)/facedeblur doctor

docs: $(STAMP) ## the documentation as a site in build/site; SERVE=8000 shows it on this machine
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/site
	@echo "build/site/index.html"
	$(if $(SERVE),$(BIN)/python -m http.server -d build/site -b 127.0.0.1 $(SERVE))

dist: $(STAMP) ## wheel and source archive in dist/, with hashes; what they cost to install, in fresh environments
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m pytest tests/system/test_package.py
	cd dist && sha256sum *.whl *.tar.gz > SHA256SUMS && cat SHA256SUMS
	$(BIN)/python -m benchmarks.installing dist/*.whl

clean: ## remove the virtual environment and caches (runs in outputs/ stay)
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
