# Each target is a thin call of a tool that also works alone.

VIRTPLANE_HOME := $(or $(VIRTPLANE_HOME),$(HOME)/.virtplane)
export VIRTPLANE_HOME

.PHONY: help up down test check bench bench-api bench-system

help:
	@echo "make up     install what is missing, build the example image, start Virtplane"
	@echo "make down   stop Virtplane; guests go on"
	@echo "make test   set up, then run the checks and all tests"
	@echo "make check  lint, format, types, dependency rules"
	@echo "make bench  how much Virtplane adds to libvirt's own start of a guest, while it is up"
	@echo "make bench-api  how fast the API server is, with 11,400 machines; about three minutes"
	@echo "make bench-system  what machines cost the whole system: 1,000 on 20 simulated agents; about five minutes"

up:
	scripts/setup run
	python3 examples/guest/build.py --output "$(VIRTPLANE_HOME)/images/layout"
	.venv/bin/virtplane up

down:
	.venv/bin/virtplane down

check:
	scripts/setup test
	scripts/check

test: check
	scripts/test

bench:
	.venv/bin/python benchmarks/start_latency.py

bench-api:
	scripts/setup test
	.venv/bin/python benchmarks/apiserver

bench-system:
	scripts/setup test
	.venv/bin/python benchmarks/system
