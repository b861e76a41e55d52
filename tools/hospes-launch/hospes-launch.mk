# hospes-launch runs the hypervisor's own tree reader: those files are built again, for the host.
LAUNCH_TOOL_SRCS := $(wildcard tools/hospes-launch/*.c) lib/domain/xlcfg.c lib/domain/keys.c hv/launch/fdt.c hv/launch/tree.c hv/lib/strcopy.c
LAUNCH_TOOL_OBJS := $(LAUNCH_TOOL_SRCS:%.c=$(BUILD)/tool/hospes-launch/%.o)

$(BUILD)/tool/hospes-launch/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) -I. -Ilib -Ihv/include -Ihv/arch/host/include $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/hospes-launch: $(LAUNCH_TOOL_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(LAUNCH_TOOL_OBJS) -o $@
TOOLS += $(BUILD)/hospes-launch
-include $(LAUNCH_TOOL_OBJS:.o=.d)
