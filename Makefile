# `make demo` and `make test` need only Python 3.11 or newer and make; they fetch the rest themselves.
.DEFAULT_GOAL := help
BIN := .venv/bin
WALKTHROUGHS := tests/docs tests/plugins

.PHONY: help demo test walkthroughs systemd-test deploy-test faults reliability bench lint format lock docs sbom clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## real OpenBao, an authorization server and rotator on loopback; Ctrl-C ends it (ARGS="--lifetime 30s")
	@.ci/setup run
	@$(BIN)/rotator demo $(ARGS)

test: ## every test but the walkthroughs, against the real servers, 8 minutes (ARGS="-k name": of all of them)
	@.ci/setup dev
	@$(BIN)/pytest -n 4 --dist loadgroup $(or $(ARGS),$(addprefix --ignore=,$(WALKTHROUGHS)) --junitxml=build/tests.xml)

walkthroughs: ## what the pages tell people to do, and plugins as packages, step by step (ARGS="-k name")
	@.ci/setup dev
	@$(BIN)/pytest -n 4 --dist loadgroup $(WALKTHROUGHS) $(or $(ARGS),--junitxml=build/walkthroughs.xml)

systemd-test: ## docs/howto/systemd.md on real systemds in containers; root, 5 minutes (ARGS="-k trixie")
	@.ci/setup dev
	@ROTATOR_SYSTEMD_TEST=1 $(BIN)/pytest tests/systemd --junitxml=build/systemd-tests.xml $(ARGS)

deploy-test: ## image, chart, alerts, dashboard, AppRole with the real tools; root, 6 minutes (ARGS="-k chart")
	@.ci/setup deploy
	@ROTATOR_DEPLOY_TEST=1 $(BIN)/pytest tests/deploy --timeout 600 --junitxml=build/deploy-tests.xml $(ARGS)

faults: ## which test holds which fault: docs/faults.md, with the results of the last whole `make test`
	@.ci/setup dev
	@$(BIN)/python -m tests.support.faults_page

reliability: ## the long measurements; rewrites docs/reliability.md (ARGS="torn-reads --seed 7" for one of them)
	@.ci/setup reliability
	@$(BIN)/python -m tests.reliability $(ARGS)

bench: ## what a refresh costs, beside other clients; rewrites docs/performance.md (ARGS="files", ARGS="--small")
	@.ci/setup bench
	@$(BIN)/python -m tests.bench $(ARGS)

lint: ## format, lint, types, the arrows between the rooms, and secrets in the tree
	@.ci/setup dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.support.tree_secrets

format: ## rewrite the files as `make lint` wants them
	@.ci/setup dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## make the locks anew from pyproject.toml
	@.ci/setup dev
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml --extra demo --group build -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml --extra demo --group build --group dev -c requirements.lock -o requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml --extra demo --group build --group dev --group reliability -c requirements-dev.lock -o requirements-reliability.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml --extra demo --group build --group docs -c requirements-dev.lock -o requirements-docs.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml --extra demo --group build --group dev --group deploy -c requirements-dev.lock -o requirements-deploy.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml --extra demo --group build --group dev --group bench -c requirements-dev.lock -o requirements-bench.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml -c requirements.lock -o deploy/container/runtime.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --group build -c requirements.lock -o deploy/container/build.lock
	@cd tests/authserver && PATH="$(CURDIR)/$(BIN):$$PATH" npm update --package-lock-only
	@cd tests/bench/node && PATH="$(CURDIR)/$(BIN):$$PATH" npm update --package-lock-only

docs: ## the documentation as a site: build/site, any warning an error
	@.ci/setup docs
	@$(BIN)/sphinx-build --quiet --nitpicky --fail-on-warning --keep-going --fresh-env -c docs -d build/site-doctrees . build/site
	@echo "build/site/index.html"

sbom: ## the bill of materials of what users install: build/rotator.cdx.json (CycloneDX)
	@.ci/setup reliability
	@$(BIN)/python -m tests.support.sbom

clean: ## remove everything that the other targets made
	rm -rf .venv tests/authserver/node_modules tests/bench/node/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build
