# The builder reads kernels and makes tables with the very code the hypervisor launches its own domains with.
GUEST_HV_SRCS := hv/launch/elf.c hv/launch/acpi.c hv/launch/start_info.c
GUEST_HV_CPPFLAGS := -Ihv/include -Ihv/arch/host/include
LIBS_guest := -lz -lbz2 -llzma -llz4 -lzstd -lpthread

$(BUILD)/tool/lib/guest/%.o $(BUILD)/san/lib/guest/%.o: LIB_CPPFLAGS += $(GUEST_HV_CPPFLAGS)
$(BUILD)/tool/guest-hv/%.o: hv/%.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(GUEST_HV_CPPFLAGS) $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/san/guest-hv/%.o: hv/%.c
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(GUEST_HV_CPPFLAGS) $(TOOL_CFLAGS) -O1 $(SANITIZE) -fno-omit-frame-pointer -MMD -MP -c $< -o $@
$(BUILD)/tool/libguest.a: $(GUEST_HV_SRCS:hv/%.c=$(BUILD)/tool/guest-hv/%.o)
$(BUILD)/san/libguest.a: $(GUEST_HV_SRCS:hv/%.c=$(BUILD)/san/guest-hv/%.o)
-include $(GUEST_HV_SRCS:hv/%.c=$(BUILD)/tool/guest-hv/%.d) $(GUEST_HV_SRCS:hv/%.c=$(BUILD)/san/guest-hv/%.d)
