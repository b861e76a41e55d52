# The public interface against the distribution's own headers (libxen-dev, used by these tests only).
$(BUILD)/gen/abi_layouts.inc: tests/abi/facts.py hv/include/hv/layouts.h $(wildcard abi/*.h)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) tests/abi/facts.py --cc $(HOSTCC) --layouts $@
$(BUILD)/abi/layouts: tests/abi/layouts.c $(BUILD)/gen/abi_layouts.inc $(BUILD)/host/libhv.a
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(HOST_CPPFLAGS) $(HOST_CFLAGS) -MMD -MP $< -o $@ $(BUILD)/host/libhv.a -lcmocka

.PHONY: abi-test
abi-test: $(BUILD)/abi/layouts
	@$(PYTHON) tests/abi/facts.py --cc $(HOSTCC)
	@$(BUILD)/abi/layouts
-include $(BUILD)/abi/layouts.d
