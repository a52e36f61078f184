# make run    run everything on this machine until Ctrl-C
# make demo   the same, but stop after recognizing one photograph
# make test   run all tests but the long fault campaigns
# make check  run the linters, the type checker and the check of links in the docs
# make lock   resolve requirements.in into requirements.txt, which Chalice packages
# make fuzz-images [SECONDS=300]  mutate image files, guided by coverage, until one does harm
# make soak   run 5,000 images through the local stage, with kills and deletions: about 10 minutes
# make faults run the long fault campaigns, a failing third party and killed workers: 200 images each
#
# make deploy STAGE=dev THIRD_PARTY_URL=https://…    deploy or update a stage on AWS
# make token STAGE=dev NAME=alice                    create an API token for a caller
# make revoke STAGE=dev NAME=alice                   revoke it
# make redrive STAGE=dev [QUEUE=recognition]         move dead letters back to their queue
# make destroy STAGE=dev [FORCE=1]                   delete the whole stage; FORCE=1 deletes its data too

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
EMULATOR := .localcloud/emulator/.installed
PIP := install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run demo test fuzz-images faults soak check format lock setup clean deploy destroy token revoke redrive

QUEUE ?= integration
SECONDS ?= 300

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

soak: setup
	@$(BIN)/python -m pytest -m campaign tests/local/soak

fuzz-images: $(INSTALLED)
	@$(BIN)/python -m tests.fuzz_images --seconds $(SECONDS)

check: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/cfn-lint infra/*.yaml
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python docs/links.py

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(INSTALLED)
	@CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/python -m piptools compile --quiet --upgrade \
		--strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--annotation-style line --output-file requirements.txt requirements.in

setup: $(INSTALLED) $(EMULATOR)
	@$(BIN)/python -m localcloud.rekognition.weights --cache .localcloud/models

$(INSTALLED): requirements.txt requirements-dev.txt localcloud/requirements.txt \
		examples/third_party/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is required, but %s is %s. Choose another interpreter: PYTHON=… make" % (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	@echo "  setting up .venv (first run only)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip $(PIP) -r requirements-dev.txt
	@touch $@

$(EMULATOR): localcloud/emulator-requirements.txt
	@echo "  setting up the AWS emulator (first run only)"
	@$(PYTHON) -m venv .localcloud/emulator
	@.localcloud/emulator/bin/python -m pip $(PIP) -r localcloud/emulator-requirements.txt
	@touch $@

clean:
	rm -rf vendor .localcloud .chalice/deployed .chalice/deployments examples/third_party/.chalice/deployed

deploy destroy: $(INSTALLED)
	$(if $(STAGE),,$(error STAGE is missing. Name the stage: make $@ STAGE=dev))
	@$(BIN)/python -m infra.$@ --stage $(STAGE)

token revoke: $(INSTALLED)
	$(if $(and $(STAGE),$(NAME)),,$(error STAGE or NAME is missing. Name the stage and the token: make $@ STAGE=dev NAME=alice))
	@$(BIN)/python -m infra.tokens --stage $(STAGE) $(if $(filter token,$@),create,revoke) $(NAME)

redrive: $(INSTALLED)
	$(if $(STAGE),,$(error STAGE is missing. Name the stage: make $@ STAGE=dev))
	@$(BIN)/python -m infra.redrive --stage $(STAGE) $(QUEUE)
