# Each target is a thin call of a tool that also works alone.


.PHONY: help test check

help:
	@echo "make test   set up, then run the checks and all tests"
	@echo "make check  lint, format, types, dependency rules"

check:
	scripts/setup test
	scripts/check

test: check
	scripts/test
