# A terminal of a domain's console.
XENCONSOLE_OBJS := $(BUILD)/tool/xenconsole/main.o
XENCONSOLE_LIBS := $(addprefix $(BUILD)/tool/lib,store.a base.a)
$(BUILD)/tool/xenconsole/%.o: tools/xenconsole/%.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/xenconsole: $(XENCONSOLE_OBJS) $(XENCONSOLE_LIBS)
	@echo "  LD      $@"
	$(Q)$(CC) $(XENCONSOLE_OBJS) $(XENCONSOLE_LIBS) -o $@
TOOLS += $(BUILD)/xenconsole
-include $(XENCONSOLE_OBJS:.o=.d)
