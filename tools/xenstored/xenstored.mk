# The store's daemon.
XENSTORED_SRCS := $(sort $(wildcard tools/xenstored/*.c)) lib/store/wire.c lib/base/service.c
XENSTORED_OBJS := $(XENSTORED_SRCS:%.c=$(BUILD)/tool/xenstored/%.o)

$(BUILD)/tool/xenstored/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) -I. -Ilib -iquote abi $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/xenstored: $(XENSTORED_OBJS) $(BUILD)/tool/libhcall.a
	@echo "  LD      $@"
	$(Q)$(CC) $(XENSTORED_OBJS) $(BUILD)/tool/libhcall.a -o $@
TOOLS += $(BUILD)/xenstored
-include $(XENSTORED_OBJS:.o=.d)
