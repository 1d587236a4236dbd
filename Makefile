# One line a command. Builds go to a cache outside the checkout; CLUSTER=current uses your own cluster.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/reconciliation-platform
export CARGO_TARGET_DIR ?= $(CACHE)/target

.DEFAULT_GOAL := help
.PHONY: help demo demo-clean test check-cache soak fuzz-api lint generate bench bench-api images cluster-up cluster-down

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: ## from nothing to a finished ReconciliationJob on an embedded cluster
	@scripts/demo

demo-clean: ## remove what the demo made in the cluster
	@scripts/demo --clean

test: ## format, lints, unit, property, database and end-to-end tests
	@scripts/test

check-cache: ## a minute of load for each case of the caches' promise; CHECK_SECONDS changes it
	@scripts/check-cache

soak: ## 10 million damaged inputs for the decoder, the planner and every reader; INPUTS, FROM and KINDS narrow it
	@scripts/soak

fuzz-api: ## requests made from the OpenAPI document against a real server; EXAMPLES and SEED vary it
	@scripts/fuzz-api

lint: ## format and clippy, warnings as errors
	cargo fmt --all --check && cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings

generate: ## write the generated files: CRD YAML, its copy in the chart, the language's reference, the OpenAPI document
	cargo run --quiet -p crds --features kube --bin crdgen -- docs/matching.md crds charts/reconciliation-platform-crds/templates
	cargo test --quiet --no-run --workspace --all-features --exclude e2e --test openapi
	"$$CARGO_TARGET_DIR/debug/reconciliation-server" openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

bench: ## measure reconcile side by side with its peers
	@benches/run

bench-api: ## load the API on a database of production size
	@benches/run api

images: ## build the container images and load them into the test cluster
	@scripts/images

cluster-up: ## start the test cluster, or return at once when it is up
	@tests/cluster/testcluster up

cluster-down: ## stop the test cluster and leave nothing behind
	@tests/cluster/testcluster down
