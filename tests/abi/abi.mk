# The public interface against the distribution's own headers (libxen-dev, used by these tests only).
ABI_TABLES := $(BUILD)/gen/abi_facts.inc $(BUILD)/gen/abi_layouts.inc

$(BUILD)/gen/abi_%.inc: tests/abi/facts.py hv/include/hv/layouts.h $(wildcard abi/*.h)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) tests/abi/facts.py --cc $(HOSTCC) $* $@
# What the fake machine lacks (absent.o) is asked for first: else the linker may meet the real thing in the archive before it.
$(BUILD)/abi/test_abi: tests/abi/test_abi.c $(ABI_TABLES) $(BUILD)/host/libhv.a
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(HOST_CPPFLAGS) $(HOST_CFLAGS) -MMD -MP $< -o $@ -Wl,-u,pci_assign_device $(BUILD)/host/libhv.a -lcmocka

.PHONY: abi-test
abi-test: $(BUILD)/abi/test_abi
	@$<
-include $(BUILD)/abi/test_abi.d
