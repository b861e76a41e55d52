# Hosted tools. Each tools/<name>/ with its own .mk fragment adds a program to TOOLS.
TOOL_CFLAGS := -std=gnu17 -O2 -g -D_GNU_SOURCE -ffile-prefix-map=$(CURDIR)=. $(WARN)
include lib/lib.mk
include $(wildcard tools/*/*.mk)
tools: $(TOOLS)
