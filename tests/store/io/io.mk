# The daemon whole, in a test's process: each tests/store/io/test_X.c is a program of the unit suite.
STORE_IO_OBJS := $(patsubst %.c,$(BUILD)/store/%.o,$(filter-out tools/xenstored/main.c,$(wildcard tools/xenstored/*.c)) \
                   lib/store/wire.c lib/base/service.c tests/store/io/world.c) $(BUILD)/san/libhcall.a
STORE_IO_BINS := $(patsubst tests/store/io/test_%.c,$(BUILD)/unit/test_store_io_%,$(sort $(wildcard tests/store/io/test_*.c)))
$(STORE_IO_BINS): $(BUILD)/unit/test_store_io_%: tests/store/io/test_%.c $(STORE_IO_OBJS)
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(STORE_TEST_CFLAGS) -MMD -MP $< -o $@ $(STORE_IO_OBJS) -lcmocka $(STORE_IO_WRAP)
# What a guest does at the same time is called from there.
$(BUILD)/unit/test_store_io_ring: STORE_IO_WRAP := -Wl,--wrap=request_handle,--wrap=journal_output
UNIT_BINS += $(STORE_IO_BINS)
-include $(patsubst %.o,%.d,$(filter %.o,$(STORE_IO_OBJS)))
