# Every target brings its own tools: a virtual environment in .venv, and Kubernetes built once into the user's cache.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
DOCS := .venv-docs
PY := $(VENV)/bin/python
NAME ?= demo
REAL_NODE ?= auto
WORKERS ?= 2
FLEET ?=
KUBERNETES ?=
VERSIONS := 1.30 1.32 1.34 1.35 1.36 1.37
OLDEST := $(firstword $(VERSIONS))
# The corpus, and the ways round a policy.
ON_EVERY_VERSION := tests/e2e/test_parity.py tests/bypass
# What else `make test-versions` runs on each: the chart, the demo's main path, the operator's core.
ALSO_ON_EVERY_VERSION := tests/e2e/chart tests/e2e/test_operator.py tests/e2e/test_placement.py tests/e2e/test_drift.py
# Each worker has a control plane of its own. What waits for one and what computes go on side by side.
PYTEST := $(PY) -m pytest -n $(WORKERS) --no-loadscope-reorder
export PYTHONPATH := src:.

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

demo: $(VENV)/ready ## Show the main job on a fresh cluster: what is placed, refused and why, and a model that answers (REAL_NODE=no: without)
	@$(PY) -m dev.demo up --name $(NAME) --real-node $(REAL_NODE)

image: $(VENV)/ready ## Build the operator's image as an OCI archive, with its bill of materials, in dist (no Docker needed)
	@$(PY) -m dev.image build

image-refresh: $(VENV)/ready ## Pin Debian's packages of today for the image
	@$(PY) -m dev.image refresh

demo-down: $(VENV)/ready ## Remove the demo's cluster
	@$(PY) -m dev.demo down --name $(NAME)

test: lint type layers verify ## Everything: lint, types, layers, generated files, unit and end-to-end tests, tests on real nodes (WORKERS=2)
	@$(PY) -m dev.cluster build --nodes
	@$(PY) -m dev.cluster build --kubernetes $(OLDEST)
	@$(PY) -m dev.expressions.build
	@$(PY) -m dev.registry.build
	-@$(PY) -m dev.chromium
	@$(PYTEST) $(ON_EVERY_VERSION) --kubernetes $(OLDEST)
	@$(PYTEST) tests -m "not faults and not versions and not lives and not gitops and not neighbours and not docs"

unit: $(VENV)/ready ## Tests that need no API server (2 minutes)
	@$(PYTEST) tests -m "not e2e and not node and not browser"

e2e: $(VENV)/ready ## End-to-end tests alone, on an embedded control plane
	@$(PY) -m dev.cluster build --nodes
	@$(PY) -m dev.expressions.build
	@$(PY) -m dev.registry.build
	@$(PYTEST) tests -m "e2e and not faults and not versions and not lives and not gitops and not neighbours and not browser and not docs"

test-docs: $(VENV)/ready ## Every command of the documentation, page by page, on a control plane (30 minutes); make test follows README and the first hour
	@$(PY) -m dev.cluster build
	@$(PYTEST) tests/e2e/test_docs.py

test-faults: $(VENV)/ready ## End-to-end tests of faults: webhooks and connections that fail, leaders that are killed (10 minutes)
	@$(PY) -m dev.cluster build
	@$(PY) -m pytest tests -m faults

test-upgrade: $(VENV)/ready ## From v0.1.0 to here and back, backup and restore, break-glass, on a control plane (10 minutes)
	@$(PY) -m dev.cluster build
	@$(PYTEST) tests -m lives

test-versions: $(VENV)/ready ## Tests on every version of Kubernetes, each built first (KUBERNETES=1.34: the control plane of that one)
	@$(PY) -m dev.cluster build
	@$(PY) -m dev.expressions.build --all
	@$(PYTEST) tests -m "versions or compilers" $(if $(KUBERNETES),--kubernetes $(KUBERNETES))
	@# The tutorial's own version.
	@DAULAT_KUBERNETES=1.32 $(PY) -m pytest tests/e2e/test_docs.py -k ascend-mindcluster
	@failed=; for version in $(or $(KUBERNETES),$(VERSIONS)); do \
		echo "Kubernetes $$version"; \
		$(PYTEST) $(ON_EVERY_VERSION) $(ALSO_ON_EVERY_VERSION) --kubernetes $$version || failed="$$failed $$version"; \
		DAULAT_KUBERNETES=$$version $(PY) -m dev.demo up --name versions --real-node no || failed="$$failed $$version(demo)"; \
		$(PY) -m dev.demo down --name versions; \
	done; test -z "$$failed" || { echo "failed on:$$failed"; exit 1; }

test-gitops: $(VENV)/ready ## Argo CD and Flux bring the chart and all kinds from Git (builds them first: 40 minutes on 2 cores from nothing)
	@$(PY) -m dev.cluster build
	@$(PY) -m dev.gitops.build
	@$(PY) -m pytest tests -m gitops

test-neighbours: $(VENV)/ready ## Controllers of other projects in governed namespaces (builds them first: 30 minutes on 2 cores from nothing)
	@$(PY) -m dev.cluster build
	@$(PY) -m dev.neighbours.build
	@$(PY) -m pytest tests -m neighbours

test-console: $(VENV)/ready ## The console's pages in headless Chromium: accessibility, light and dark, print
	@$(PY) -m dev.chromium
	@$(PY) -m pytest tests -m browser

pictures: $(VENV)/ready ## Take the pictures of the console in the documentation
	@$(PY) -m dev.pictures

headlamp: ## Lint, test and build the Headlamp plugin in ui/headlamp/dist (needs Node.js 20 with npm; 2 minutes)
	@command -v npm >/dev/null || { echo "make headlamp needs Node.js 20 with npm" >&2; exit 2; }
	@cd ui/headlamp && npm ci --ignore-scripts --no-audit --no-fund && npm run lint && npm run tsc && npm test && npm run build

test-node: $(VENV)/ready ## Tests on real nodes alone: a kubelet, containers, a model that answers (needs root; 6 minutes)
	@$(PY) -m dev.cluster build --nodes
	@$(PY) -m pytest tests -m node

lint: $(VENV)/ready ## Lint and check the format
	@$(VENV)/bin/ruff check src tests dev bench
	@$(VENV)/bin/ruff format --check src tests dev bench

fmt: $(VENV)/ready ## Format
	@$(VENV)/bin/ruff check --fix --quiet src tests dev bench
	@$(VENV)/bin/ruff format src tests dev bench

type: $(VENV)/ready ## Check types, strictly
	@$(VENV)/bin/mypy

layers: $(VENV)/ready ## Check that layers import only what stands above them
	@$(VENV)/bin/lint-imports --no-logo

generate: $(VENV)/ready ## Write CRDs, the chart's generated files and the example of evidence
	@$(PY) -m dev.generate
	@$(PY) -m dev.evidence
	@$(PY) -m dev.headlamp

verify: $(VENV)/ready ## Check that generated files are up to date
	@$(PY) -m dev.generate --check
	@$(PY) -m dev.evidence --check

verify-engines: $(VENV)/ready ## Put what is rendered to the engines' own parsers: 10 GB at a time, 15 minutes (ENGINES="vllm sglang llama.cpp")
	@$(PY) -m pip install --quiet uv
	@$(PY) -m dev.engines.verify $(ENGINES)

docs: $(DOCS)/ready ## Build the documentation as a site in dist/docs; a dead link is an error
	@$(DOCS)/bin/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet --fresh-env --write-all -d dist/doctrees -b html docs dist/docs
	@echo "dist/docs/index.html"

release: $(VENV)/ready ## Put a release into dist: packages, chart, CRDs, image, changelog, checksums (RELEASE_KEY=FILE: signed by that SSH key)
	@$(PY) -m dev.release

cluster-up: $(VENV)/ready ## Bring up an embedded control plane with the demo's nodes, without Daulat
	@$(PY) -m dev.cluster up --name $(NAME) --scenario dev/scenarios/demo.yaml

cluster-down: $(VENV)/ready ## Remove it
	@$(PY) -m dev.cluster down --name $(NAME)

cluster-status: $(VENV)/ready ## Say how it is
	@$(PY) -m dev.cluster status

lock: $(VENV)/ready ## Pin all dependencies anew, with hashes
	@$(PY) -m pip install --quiet uv
	@$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade pyproject.toml -o requirements/runtime.txt
	@$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade pyproject.toml --extra weights -c requirements/runtime.txt -o requirements/weights.txt
	@$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade pyproject.toml --extra weights --group dev -c requirements/weights.txt -c requirements/runtime.txt -o requirements/dev.txt
	@$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --upgrade --group docs -o requirements/docs.txt

release-digests: $(VENV)/ready ## Put the digests of the official release binaries on record, so that they are downloaded instead of built
	@$(PY) -m dev.cluster releases

bench: $(VENV)/ready ## Measure how long a pass and the console's pages take in a large cluster
	@$(PY) bench/reconcile.py
	@$(PY) -m bench.console

bench-admission: $(VENV)/ready ## Measure what a policy costs at admission, governed against ungoverned (10 minutes)
	@$(PY) -m dev.cluster build
	@$(PY) -m bench.admission

bench-admission-cost: $(VENV)/ready ## Measure what each part of a policy costs the API server (15 minutes)
	@$(PY) -m dev.cluster build
	@$(PY) -m bench.admission_cost

bench-scale: $(VENV)/ready ## Measure a thousand models applied at once, against the same as plain Deployments (20 minutes)
	@$(PY) -m dev.cluster build
	@$(PY) -m bench.scale

bench-fleet: $(VENV)/ready ## Measure the operator on 5,000 nodes with 20,000 pods (40 minutes, 12 GiB; FLEET="--nodes 500": smaller)
	@$(PY) -m dev.cluster build
	@$(PY) -m bench.fleet $(FLEET)

bench-ledger: $(VENV)/ready ## Measure a log of 1,000,000 entries, and the recorder at 20,000 pods (6 minutes)
	@$(PY) -m bench.ledger
	@$(PY) -m bench.recorder

bench-neighbours: $(VENV)/ready ## Measure what a policy costs controllers that create 500 pods (builds their controllers first; then 25 minutes)
	@$(PY) -m bench.neighbours

bench-simulate: $(VENV)/ready ## Measure `daulat simulate` on 5,000 nodes (1 minute)
	@$(PY) -m bench.simulate

bench-check: $(VENV)/ready ## Measure `daulat check` against gator and kyverno (builds them first; then 10 minutes)
	@$(PY) -m bench.check

clean: ## Remove the virtual environment and tools' caches, not the built control plane
	rm -rf $(VENV) $(DOCS) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/ready: requirements/dev.txt
	@test -n "$(PYTHON)" || { echo "error: needs Python 3.11 or newer with the venv module (on Debian: apt-get install python3-venv)" >&2; exit 2; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version)" >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@# The lock is whole. Looking for dependencies, pip would find pydantic[email] among them, for which no lock can have a hash.
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --no-deps --only-binary :all: -r requirements/dev.txt
	@touch $@

$(DOCS)/ready: requirements/docs.txt
	@test -n "$(PYTHON)" || { echo "error: needs Python 3.11 or newer with the venv module (on Debian: apt-get install python3-venv)" >&2; exit 2; }
	@$(PYTHON) -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --no-deps --only-binary :all: -r $<
	@touch $@

.PHONY: \
	bench \
	bench-admission \
	bench-admission-cost \
	bench-check \
	bench-fleet \
	bench-ledger \
	bench-neighbours \
	bench-scale \
	bench-simulate \
	clean \
	cluster-down \
	cluster-status \
	cluster-up \
	demo \
	demo-down \
	docs \
	e2e \
	fmt \
	generate \
	headlamp \
	help \
	image \
	image-refresh \
	layers \
	lint \
	lock \
	pictures \
	release \
	release-digests \
	test \
	test-console \
	test-docs \
	test-faults \
	test-gitops \
	test-neighbours \
	test-node \
	test-upgrade \
	test-versions \
	type \
	unit \
	verify \
	verify-engines
