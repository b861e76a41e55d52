# Hospes: one Makefile. `make help` lists the targets.
include config.mk
export BUILD CC

all: $(BUILD)/hospes tools

include hv/hv.mk
include tests/tests.mk
-include tests/guest/guest.mk
-include loader/loader.mk tools/tools.mk scripts/run.mk packaging/packaging.mk docs/docs.mk

tools:

.DEFAULT_GOAL := all
.PHONY: all tools clean
clean:
	rm -rf $(BUILD)
