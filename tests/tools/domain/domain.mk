# lib/domain alone: configuration files, specifications, JSON.
DOMAIN_SAN_LIBS := $(BUILD)/san/libdomain.a $(BUILD)/san/libbase.a
$(BUILD)/unit/test_domain_config: tests/tools/domain/test_config.c $(DOMAIN_SAN_LIBS)
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) $(SANITIZE) $< -o $@ $(DOMAIN_SAN_LIBS) -ljson-c -lcmocka
UNIT_BINS += $(BUILD)/unit/test_domain_config
