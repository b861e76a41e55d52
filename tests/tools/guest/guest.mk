# The builder of guests: kernel files on their own, and a program that builds a domain, with sanitizers for the simulated hypervisor and
# without libraries for a dom0.
GUEST_TEST_LIBS := -lcmocka -ljson-c -lz -lbz2 -llzma -llz4 -lzstd -lpthread
GUEST_SAN_LIBS := $(foreach l,guest domain hcall store base,$(BUILD)/san/lib$(l).a)
GUEST_TOOL_LIBS := $(foreach l,guest domain hcall store base,$(BUILD)/tool/lib$(l).a)

$(BUILD)/unit/test_guest_kernel: tests/tools/guest/test_kernel.c tests/tools/guest/kernel_files.h $(BUILD)/san/libguest.a $(BUILD)/san/libbase.a
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(GUEST_HV_CPPFLAGS) $(TOOL_CFLAGS) $(SANITIZE) $< -o $@ $(filter %.a,$^) $(GUEST_TEST_LIBS)
$(BUILD)/unit/test_guest_kernel_child: tests/tools/guest/test_kernel_child.c $(BUILD)/san/libguest.a $(BUILD)/san/libbase.a
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) $(SANITIZE) -Wl,--wrap=unpack,--wrap=confine_run $< -o $@ $(filter %.a,$^) $(GUEST_TEST_LIBS)
$(BUILD)/unit/test_guest_cpuid: tests/tools/guest/test_cpuid.c $(BUILD)/san/libguest.a
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) $(SANITIZE) $< -o $@ $(filter %.a,$^) -lcmocka
$(BUILD)/sim/create: tests/tools/guest/create.c $(GUEST_SAN_LIBS)
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) $(SANITIZE) $< -o $@ $(GUEST_SAN_LIBS) $(GUEST_SAN_LIBS) $(GUEST_TEST_LIBS)
$(BUILD)/dom0-create: tests/tools/guest/create.c $(GUEST_TOOL_LIBS)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -static $< -o $@ $(GUEST_TOOL_LIBS) $(GUEST_TOOL_LIBS) $(filter-out -lcmocka,$(GUEST_TEST_LIBS))
UNIT_BINS += $(BUILD)/unit/test_guest_kernel $(BUILD)/unit/test_guest_kernel_child $(BUILD)/unit/test_guest_cpuid
SIM_BINS += $(BUILD)/sim/create
tests: $(BUILD)/sim/create $(BUILD)/dom0-create
