# Each target is a thin call of a tool that also works alone.

VIRTPLANE_HOME ?= $(HOME)/.virtplane
export VIRTPLANE_HOME

.PHONY: help up down test check bench

help:
	@echo "make up     set up and start Virtplane on this machine (VIRTPLANE_HOME=$(VIRTPLANE_HOME))"
	@echo "make down   stop it; guests keep running"
	@echo "make test   set up, then run the checks and all tests"
	@echo "make check  lint, format, types, dependency rules"
	@echo "make bench  measure, printing tables (needs a running Virtplane)"

up:
	scripts/setup run
	python3 examples/guest/build.py --output "$(VIRTPLANE_HOME)/images"
	.venv/bin/virtplane up

down:
	.venv/bin/virtplane down

check:
	scripts/setup test
	scripts/check

test: check
	scripts/test

bench:
	scripts/setup run
	.venv/bin/python benchmarks/start_latency.py
