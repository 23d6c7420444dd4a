# Every target works by itself, from a fresh clone, with or without Docker on the machine (docs/explanation/bootstrap.md).
PYTHON ?= python3
BOOTSTRAP := $(PYTHON) -m bootstrap

.PHONY: help example test test-all benchmark chaos mutation clean

help:
	@echo 'make example   the main job on example_project/: build, start the services, test inside the image'
	@echo 'make test      lint, types, tests and the example, through tox; on the engine that answers'
	@echo 'make test-all  the long tests too, and everything again on the newest engine'
	@echo 'make benchmark ratios to other ways of doing the same, from paired runs; BENCHMARKS=cold for some of them'
	@echo 'make chaos     faults at random instants, counted, for two hours or more; CHAOS="kills --shard 1/4" for some'
	@echo 'make mutation  changes to the code, each of which a test has to notice; an hour or more'
	@echo 'make clean     take away what the other targets keep for their next run'

example:
	@$(BOOTSTRAP) --images example --directory example_project -- pytest -v

test: export DOCKERCI_TEST_REQUIRE_ENGINE = 1
test:
	@$(BOOTSTRAP) --images test -- tox run

test-all: export DOCKERCI_TEST_REQUIRE_ENGINE = 1
test-all:
	@$(BOOTSTRAP) --images test -- tox run -e lint,type,soak,example,example-node
	@$(BOOTSTRAP) --images test --newest-engine -- tox run -e py,example,example-node

benchmark:
	@$(BOOTSTRAP) --images example -- tox run -e benchmark -- $(BENCHMARKS)

chaos:
	@$(BOOTSTRAP) --images test -- tox run -e chaos -- $(CHAOS)

mutation:
	@$(BOOTSTRAP) --images test -- tox run -e mutation,handlings

clean:
	@rm -rf .venv .tox .bootstrap /var/cache/dockerci-bootstrap
