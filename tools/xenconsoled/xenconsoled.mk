# The daemon of consoles.
XENCONSOLED_SRCS := $(sort $(wildcard tools/xenconsoled/*.c))
XENCONSOLED_OBJS := $(XENCONSOLED_SRCS:%.c=$(BUILD)/tool/xenconsoled/%.o)
XENCONSOLED_LIBS := $(addprefix $(BUILD)/tool/lib,hcall.a store.a base.a)

$(BUILD)/tool/xenconsoled/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/xenconsoled: $(XENCONSOLED_OBJS) $(XENCONSOLED_LIBS)
	@echo "  LD      $@"
	$(Q)$(CC) $(XENCONSOLED_OBJS) $(XENCONSOLED_LIBS) -o $@
TOOLS += $(BUILD)/xenconsoled
-include $(XENCONSOLED_OBJS:.o=.d)
