# Every verb sets up what it needs first; `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# A compiled module that is thrown away has to be compiled again by the next of the many processes that tests start.
unexport PYTHONDONTWRITEBYTECODE
# An activated environment of something else must not decide what runs here.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

BIN := .venv/bin
READY := .venv/.ready
# What judges rules for Prometheus, and encodes what no library here encodes.
CHECKERS := promtool=prometheus ojph_compress=openjph-tools
# What tests/crash hurts disks and processes with.
CRASH_PROGRAMS := strace=strace cc=gcc mkfs.ext4=e2fsprogs mkfs.xfs=xfsprogs losetup=mount
# What stands around several gateways.
CLUSTER_PROGRAMS := haproxy=haproxy pg_ctlcluster=postgresql
# What tests/deploy checks and runs deploy/ with.
DEPLOY_PROGRAMS := systemd-analyze=systemd haproxy=haproxy kubectl=kubernetes-client
# The stages that claim, lease and record, which `make test` runs on both ledgers.
ON_BOTH := $(addprefix tests/stage/,ledger store group job results deliver serve notify fsck)
# Options for pytest, e.g. make test ARGS="-k timeout -x"
ARGS ?=

.PHONY: help run demo test test-postgresql lint types docs pictures interoperability hostile pins setup fuzz bench prove prove-cluster

help: ## list the verbs
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 22

run: $(READY) app.yaml ## start the gateway with ./app.yaml, made first if absent
	@exec $(BIN)/hilum serve --config app.yaml

demo: $(READY) ## show the whole way of a CT series: send, segment, deliver; KEEP=1 keeps serving
	@exec $(BIN)/hilum demo $(if $(filter-out 0,$(KEEP)),--keep)

test: $(READY) lint types ## lint, types and all tests
	@scripts/system-packages dcmdump=dcmtk Orthanc=orthanc ip=iproute2 chromium=chromium haproxy=haproxy $(CHECKERS) \
		$(CRASH_PROGRAMS) $(CLUSTER_PROGRAMS) $(DEPLOY_PROGRAMS)
	@scripts/setup-ray
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)
ifeq ($(ARGS),)
	@$(BIN)/pytest -n 2 --dist loadfile --ledger postgresql $(ON_BOTH)
	@$(BIN)/pytest -m besieged tests/cluster
endif

test-postgresql: $(READY) ## all tests of stages, flow and crashes, with the ledger on PostgreSQL
	@$(MAKE) test ARGS="--ledger postgresql tests/stage tests/flow tests/crash $(ARGS)"

lint: $(READY) ## style, format and who may import whom
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports

types: $(READY) ## check the types
	@$(BIN)/mypy

docs: $(READY) ## write the generated pages of docs/
	@scripts/system-packages pg_ctlcluster=postgresql
	@scripts/generate-docs

pictures: $(READY) ## renew the pictures of docs/dashboard.md
	@scripts/system-packages chromium=chromium
	@HILUM_PICTURES=1 exec $(BIN)/pytest -q tests/browser/test_pages.py tests/browser/test_clicks.py

interoperability: $(READY) ## compare Hilum with DCMTK, pynetdicom and Orthanc, live
	@scripts/system-packages storescp=dcmtk Orthanc=orthanc
	@exec scripts/compare-peers

bench: $(READY) ## measure Hilum beside DCMTK, Orthanc and pynetdicom: bench/results.md; ARGS=growth, cost, disk or cluster
	@scripts/system-packages storescp=dcmtk Orthanc=orthanc strace=strace $(if $(findstring cluster,$(ARGS)),$(CLUSTER_PROGRAMS))
	@exec $(BIN)/python -m bench $(ARGS)

fuzz: $(READY) ## try to break every reader of foreign bytes; FUZZ_EXECUTIONS=10000000
	@exec $(BIN)/python -m fuzz

hostile: $(READY) ## besiege a gateway and write docs/hostile-peers.md
	@exec scripts/measure-hostile

prove: $(READY) ## kill, cut, fill, freeze and count; writes docs/reliability.md; ONLY=cuts PROVE_CUTS=1000 PROVE_WORKERS=2
	@scripts/system-packages storescp=dcmtk Orthanc=orthanc $(CRASH_PROGRAMS)
	@PYTHONPATH=tests exec $(BIN)/python -m crash.prove crash build/reliability.jsonl docs/reliability.md

prove-cluster: $(READY) ## hurt several gateways, their database and their balancer; writes docs/reliability-cluster.md; PROVE_FAULTS=1000
	@scripts/system-packages $(CLUSTER_PROGRAMS) $(CRASH_PROGRAMS)
	@PYTHONPATH=tests exec $(BIN)/python -m crash.prove cluster build/reliability-cluster.jsonl docs/reliability-cluster.md

pins: $(READY) ## renew requirements/*.txt from *.in; UPGRADE=1 takes the newest versions
	@scripts/pin $(if $(filter-out 0,$(UPGRADE)),--upgrade)

setup: $(READY) ## make .venv with Hilum and its tools
	@echo "setup: .venv is ready"

$(READY): requirements/dev.txt pyproject.toml scripts/setup
	@scripts/setup
	@touch $@

app.yaml: | $(READY)
	@$(BIN)/hilum init app.yaml
