# The records of domain 0.
XEN_INIT_DOM0_LIBS := $(addprefix $(BUILD)/tool/lib,hcall.a store.a base.a)
$(BUILD)/tool/xen-init-dom0/%.o: tools/xen-init-dom0/%.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/xen-init-dom0: $(BUILD)/tool/xen-init-dom0/main.o $(XEN_INIT_DOM0_LIBS)
	@echo "  LD      $@"
	$(Q)$(CC) $^ -o $@
TOOLS += $(BUILD)/xen-init-dom0
-include $(BUILD)/tool/xen-init-dom0/main.d
