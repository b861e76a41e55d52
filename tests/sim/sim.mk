# hospes-sim: the hypervisor's own code as a process that serves hypercalls over a socket.
SIM_OBJS := $(BUILD)/host/tests/sim/world.o $(BUILD)/host/tests/sim/server.o
$(SIM_OBJS): HOST_CPPFLAGS += -Ilib -Itests/sim -D_GNU_SOURCE
$(BUILD)/hospes-sim: $(SIM_OBJS) $(BUILD)/host/libhv.a
	@echo "  HOSTLD  $@"
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $(SIM_OBJS) $(BUILD)/host/libhv.a -o $@

# The library of hypercalls against it.
$(BUILD)/sim/hcall_check: tests/sim/hcall_check.c $(BUILD)/san/libhcall.a
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) $(SANITIZE) -MMD -MP $< -o $@ $(BUILD)/san/libhcall.a
$(BUILD)/sim/preload.so: tests/sim/preload.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(TOOL_CFLAGS) -fPIC -shared $< -o $@
$(BUILD)/sim/qemu_preload.so: tests/sim/qemu_preload.c $(wildcard lib/hcall/*.c)
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -fPIC -fvisibility=hidden -shared $^ -o $@
SIM_BINS := $(BUILD)/hospes-sim $(BUILD)/sim/hcall_check $(BUILD)/sim/preload.so $(BUILD)/sim/qemu_preload.so
.PHONY: sim
sim: $(SIM_BINS)
tests: $(SIM_BINS)
-include $(SIM_OBJS:.o=.d) $(SIM_BINS:=.d)
