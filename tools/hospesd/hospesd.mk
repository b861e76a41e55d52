# The owner of domains' lives.
HOSPESD_SRCS := $(sort $(wildcard tools/hospesd/*.c))
HOSPESD_OBJS := $(HOSPESD_SRCS:%.c=$(BUILD)/tool/hospesd/%.o)
HOSPESD_LIBS := $(foreach l,guest domain hcall store base,$(BUILD)/tool/lib$(l).a)

$(BUILD)/tool/hospesd/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -pthread -MMD -MP -c $< -o $@
$(BUILD)/hospesd: $(HOSPESD_OBJS) $(HOSPESD_LIBS)
	@echo "  LD      $@"
	$(Q)$(CC) -pthread $(HOSPESD_OBJS) $(HOSPESD_LIBS) $(LIBS_guest) $(LIBS_base) -o $@
TOOLS += $(BUILD)/hospesd
-include $(HOSPESD_OBJS:.o=.d)
