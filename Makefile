# One word per task. Each installs what it needs the first time.

PYTHON ?= python3
BIN := .venv-dev/bin

.DEFAULT_GOAL := help
.PHONY: help test fast nightly suite thorough simulation lint format types docs site bench clients conformance runs surface reference mutation lock newest audit sbom ci clean

help:  ## list the tasks
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

$(BIN)/pytest: pyproject.toml lock.txt
	$(PYTHON) -m venv .venv-dev
	$(BIN)/pip install -q -r lock.txt -e .
	@touch $@

test: $(BIN)/pytest  ## run the tests of the gate, with branch coverage
	$(BIN)/pytest -n auto --cov

fast: $(BIN)/pytest  ## run the tests that start no process and install nothing
	$(BIN)/pytest -n auto tests/unit tests/properties

nightly: types suite thorough simulation bench conformance clients  ## run all that takes too long for the gate (hours), as the workflow does

suite: $(BIN)/pytest  ## run all tests, those that are marked nightly too
	$(BIN)/pytest -n auto --nightly

THOROUGH := tests/properties tests/unit/bedrock_resilience/pacing tests/unit/bedrock_resilience/simulation tests/integration/test_interrupts.py tests/integration/test_emulator_any_request.py

thorough: $(BIN)/pytest  ## run the properties with 2,000 examples each, the simulations with all seeds, 50 rounds of interrupts
	HYPOTHESIS_PROFILE=thorough INTERRUPT_ROUNDS=50 $(BIN)/pytest -n auto --timeout=3600 $(THOROUGH)

FIRST ?= 0
simulation: $(BIN)/pytest  ## run a million simulated schedules from the seed FIRST on; one that fails is printed, and shrunk
	PYTHONPATH=tests $(BIN)/python -m support.dst --world claims --schedules 950000 --first $(FIRST) --jobs $$(nproc)
	PYTHONPATH=tests $(BIN)/python -m support.dst --world system --schedules 50000 --first $(FIRST) --jobs $$(nproc)

lint: $(BIN)/pytest  ## check style, the layers of imports, the language and the workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/python .ci/prose.py --quiet
	$(BIN)/zizmor --offline --quiet .github

format: $(BIN)/pytest  ## fix style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(BIN)/pytest  ## mypy and pyright on everything; ty and pyrefly on the public signatures
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/ty check --python $(BIN)/python
	$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python

docs: $(BIN)/pytest  ## build the site into site/
	$(BIN)/mkdocs build --strict

site: $(BIN)/pytest  ## open every page of the site in Chromium, then build it with Zensical too
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group site
	test -n "$$CHROMIUM" || command -v chromium || $(BIN)/playwright install --with-deps chromium
	$(BIN)/pytest --nightly tests/site
	$(BIN)/zensical build --clean --strict --config-file mkdocs.yml

runs: $(BIN)/pytest  ## record what the pacers decide, in simulated runs and for single requests, after a change that is meant
	PYTHONPATH=tests $(BIN)/python -m support.recorded_runs
	PYTHONPATH=tests $(BIN)/python -m support.recorded_decisions

surface: $(BIN)/pytest  ## record the public surface after a change of it
	PYTHONPATH=tests $(BIN)/python -m support.surface

reference: $(BIN)/pytest  ## write the pages of docs/reference that are made of the code
	PYTHONPATH=tests $(BIN)/python -m support.reference

bench: $(BIN)/pytest  ## run all benchmarks
	$(BIN)/python -m benchmarks.core
	$(BIN)/python -m benchmarks.pacing
	$(BIN)/python -m benchmarks.pacing.wire
	$(BIN)/python -m benchmarks.emulator
	$(BIN)/python -m benchmarks.moto_side_by_side
	$(BIN)/python -m benchmarks.shared_pacing
	$(BIN)/python -m benchmarks.normalize.kills
	$(BIN)/python -m benchmarks.normalize.scale_out
	$(BIN)/python -m benchmarks.normalize.throughput
	$(BIN)/python -m benchmarks.cold_start

clients: $(BIN)/pytest  ## run other projects' clients under `protect`, in environments of their own, and print what each sent
	scripts/client_matrix.sh

conformance: $(BIN)/pytest  ## run the tables of failures with every client, in environments of their own
	scripts/conformance_matrix.sh

mutation: $(BIN)/pytest  ## change the deciding modules in small ways; a test must fail each time (hours; MODULES=PATTERN for some)
	$(BIN)/python .ci/mutation.py $(MODULES)

lock: $(BIN)/pytest  ## write the newest versions to lock.txt, and those of the Lambda with their hashes to infra/requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --group dev \
	  --custom-compile-command 'make lock' --output-file lock.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra normalize --constraint lock.txt --generate-hashes \
	  --no-annotate --custom-compile-command 'make lock' --output-file infra/requirements.txt pyproject.toml

newest:  ## run all tests without the lock, with the newest version of every dependency
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/pip install -q -U pip
	.venv-newest/bin/pip install -q -e '.[aws,cli,httpx,normalize,otel,plot,powertools,prometheus,structlog,testing,tls]' --group dev
	NEWEST=1 .venv-newest/bin/pytest -n auto --nightly

audit:  ## report known vulnerabilities of the locked versions
	$(PYTHON) -m venv --clear .venv-audit
	.venv-audit/bin/pip install -q pip-audit
	.venv-audit/bin/pip-audit --disable-pip --no-deps -r lock.txt

sbom:  ## list what the package and its extras install, as CycloneDX, in sbom.json
	$(PYTHON) -m venv --clear .venv-audit
	$(PYTHON) -m venv --clear --without-pip .venv-sbom
	.venv-audit/bin/pip install -q cyclonedx-bom
	.venv-audit/bin/pip --python .venv-sbom/bin/python install -q -c lock.txt '.[aws,cli,httpx,normalize,otel,plot,powertools,prometheus,structlog,testing,tls]'
	.venv-audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o sbom.json .venv-sbom/bin/python

ci:  ## run the gate, as the server does
	.ci/run

clean:  ## remove what these tasks made
	rm -rf .venv-dev .venv-newest .venv-audit .venv-sbom .venv-clients .venv-conformance mutants build dist site sbom.json .coverage* .mypy_cache .pytest_cache .ruff_cache
