# Debian's unmodified xl on the simulated hypervisor: what ours is compared with.
XL_PRELOAD_SRCS := tests/xl/preload.c $(sort $(wildcard lib/hcall/*.c))
$(BUILD)/xltest/preload.so: $(XL_PRELOAD_SRCS) $(wildcard lib/hcall/*.h)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -fPIC -shared $(XL_PRELOAD_SRCS) -o $@
tests: $(BUILD)/xltest/preload.so
