# What `make bench` counts with: the plugin for QEMU, and the program that dom0 and the guest run.
$(BUILD)/bench/count.so: tests/bench/count.c
	@mkdir -p $(@D)
	@echo "  HOSTCC  $@"
	$(Q)$(HOSTCC) -std=gnu17 -O2 $(WARN) -shared -fPIC -fvisibility=hidden -o $@ $<
$(BUILD)/bench/work: tests/bench/work.c tests/bench/session.c tests/bench/mark.h tests/bench/work.h
	@mkdir -p $(@D)
	@echo "  HOSTCC  $@"
	$(Q)$(HOSTCC) -std=gnu17 -O2 $(WARN) -static -o $@ $(filter %.c,$^)
.PHONY: bench-tools
bench-tools: $(BUILD)/bench/count.so $(BUILD)/bench/work
