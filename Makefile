# make run    everything on this machine, until Ctrl-C
# make demo   the same, but stops by itself after the photograph
# make test   all tests
# make check  the linters and types
# make faults the long version of the tests with a third party and workers that fail: 200 images each
#
# make deploy STAGE=dev THIRD_PARTY_URL=https://…    deploys to AWS, or again
# make token STAGE=dev NAME=alice                    makes a token for a caller
# make revoke STAGE=dev NAME=alice                   takes it back
# make redrive STAGE=dev [QUEUE=recognition]         gives what was tried in vain to its queue again
# make destroy STAGE=dev [FORCE=1]                   takes the whole stage away

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
EMULATOR := .localcloud/emulator/.installed
PIP := install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run demo test faults check format setup clean deploy destroy token revoke redrive

QUEUE ?= integration

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

run: setup
	@$(BIN)/python -m localcloud

demo: setup
	@$(BIN)/python -m localcloud --demo

test: setup
	@$(BIN)/python -m pytest

faults: setup
	@$(BIN)/python -m pytest -m campaign tests/local/faults

check: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/cfn-lint infra/*.yaml

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

setup: $(INSTALLED) $(EMULATOR)
	@$(BIN)/python -m localcloud.rekognition.weights --cache .localcloud/models

$(INSTALLED): requirements.txt requirements-dev.txt localcloud/requirements.txt \
		examples/third_party/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; %s is %s. Choose one with PYTHON=… make." % (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	@echo "  set up .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip $(PIP) -r requirements-dev.txt
	@touch $@

$(EMULATOR): localcloud/emulator-requirements.txt
	@echo "  set up the emulator of AWS (once)"
	@$(PYTHON) -m venv .localcloud/emulator
	@.localcloud/emulator/bin/python -m pip $(PIP) -r localcloud/emulator-requirements.txt
	@touch $@

clean:
	rm -rf .localcloud .chalice/deployed .chalice/deployments examples/third_party/.chalice/deployed

deploy destroy: $(INSTALLED)
	$(if $(STAGE),,$(error Say which stage: make $@ STAGE=dev))
	@$(BIN)/python -m infra.$@ --stage $(STAGE)

token revoke: $(INSTALLED)
	$(if $(and $(STAGE),$(NAME)),,$(error Say which stage and whose: make $@ STAGE=dev NAME=alice))
	@$(BIN)/python -m infra.tokens --stage $(STAGE) $(if $(filter token,$@),create,revoke) $(NAME)

redrive: $(INSTALLED)
	$(if $(STAGE),,$(error Say which stage: make $@ STAGE=dev))
	@$(BIN)/python -m infra.redrive --stage $(STAGE) $(QUEUE)
