# The owner of domains' lives; and with the sanitizers, for the tests on the simulated hypervisor.
HOSPESD_SRCS := $(sort $(wildcard tools/hospesd/*.c))
HOSPESD_OBJS := $(HOSPESD_SRCS:%.c=$(BUILD)/tool/hospesd/%.o)
HOSPESD_SAN_OBJS := $(HOSPESD_SRCS:%.c=$(BUILD)/san/hospesd/%.o)
HOSPESD_LIBS := guest domain hcall store host base
$(BUILD)/tool/hospesd/tools/hospesd/settings.o $(BUILD)/san/hospesd/tools/hospesd/settings.o: LIB_CPPFLAGS += -DQEMU_XEN='"$(QEMU_XEN)"'
$(BUILD)/fuzz/store/tools/hospesd/settings.o: FUZZ_STORE_CFLAGS += -DQEMU_XEN='"$(QEMU_XEN)"'

$(BUILD)/tool/hospesd/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -pthread -MMD -MP -c $< -o $@
$(BUILD)/hospesd: $(HOSPESD_OBJS) $(HOSPESD_LIBS:%=$(BUILD)/tool/lib%.a)
	@echo "  LD      $@"
	$(Q)$(CC) -pthread $^ $(LIBS_guest) $(LIBS_base) -o $@
$(BUILD)/san/hospesd/%.o: %.c
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -O1 $(SANITIZE) -fno-omit-frame-pointer -pthread -MMD -MP -c $< -o $@
$(BUILD)/hospesd-san: $(HOSPESD_SAN_OBJS) $(HOSPESD_LIBS:%=$(BUILD)/san/lib%.a)
	@echo "  HOSTLD  $@"
	$(Q)$(HOSTCC) $(SANITIZE) -pthread $^ $(LIBS_guest) $(LIBS_base) -o $@
$(BUILD)/unit/test_hospesd_policy: tests/tools/hospesd/test_hospesd_policy.c $(addprefix $(BUILD)/san/hospesd/tools/hospesd/,life_policy.o uuid.o)
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) -Itools $(TOOL_CFLAGS) -O1 $(SANITIZE) $^ -lcmocka -o $@
UNIT_BINS += $(BUILD)/unit/test_hospesd_policy
TOOLS += $(BUILD)/hospesd
tests: $(BUILD)/hospesd-san $(BUILD)/unit/test_hospesd_policy
-include $(HOSPESD_OBJS:.o=.d) $(HOSPESD_SAN_OBJS:.o=.d)
