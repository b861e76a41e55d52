# The console daemon's pure parts, a program of the unit suite.
CONSOLE_TEST_SRCS := tests/tools/console/test_console.c tools/xenconsoled/ring.c tools/xenconsoled/history.c
$(BUILD)/unit/test_console_daemon: $(CONSOLE_TEST_SRCS) $(wildcard tools/xenconsoled/*.h) $(BUILD)/san/libbase.a
	@mkdir -p $(@D)
	@echo "  HOSTCC  $@"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) $(SANITIZE) $(CONSOLE_TEST_SRCS) -o $@ $(BUILD)/san/libbase.a -lcmocka
UNIT_BINS += $(BUILD)/unit/test_console_daemon
