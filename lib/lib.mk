# Hosted libraries: lib/<x>/*.c -> $(BUILD)/tool/lib<x>.a, and with the sanitizers, for tests, $(BUILD)/san/lib<x>.a. A program
# lists those it uses in the linker's order (users first) and what they need: LIBS_<x>.
LIB_NAMES := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard lib/*/*.c)))))
LIBS_base := -ljson-c
LIBS_domain := -ljson-c
LIBS_rpc := -ljson-c
LIB_CPPFLAGS := -I. -Ilib -iquote abi

$(BUILD)/tool/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/san/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -O1 $(SANITIZE) -fno-omit-frame-pointer -MMD -MP -c $< -o $@

define lib_rules
LIB_SRCS_$(1) := $$(sort $$(wildcard lib/$(1)/*.c))
$$(BUILD)/tool/lib$(1).a: $$(LIB_SRCS_$(1):lib/%.c=$$(BUILD)/tool/lib/%.o)
	@rm -f $$@
	@ar rcs $$@ $$^
$$(BUILD)/san/lib$(1).a: $$(LIB_SRCS_$(1):lib/%.c=$$(BUILD)/san/lib/%.o)
	@rm -f $$@
	@ar rcs $$@ $$^
-include $$(LIB_SRCS_$(1):lib/%.c=$$(BUILD)/tool/lib/%.d) $$(LIB_SRCS_$(1):lib/%.c=$$(BUILD)/san/lib/%.d)
endef
$(foreach l,$(LIB_NAMES),$(eval $(call lib_rules,$(l))))
# What a library needs beside its own files.
include $(wildcard lib/*/*.mk)
