# Hosted tools. Each tools/<name>/ with its own .mk fragment adds a program to TOOLS.
TOOL_CFLAGS := $(PREPEND_INCLUDES:%=-I%) -std=gnu17 -O2 -g -D_GNU_SOURCE -ffile-prefix-map=$(CURDIR)=. $(WARN) $(APPEND_INCLUDES:%=-idirafter %) \
        $(EXTRA_CFLAGS_XEN_TOOLS)
# Both compilers read this list.
ifneq ($(PREPEND_LIB)$(APPEND_LIB),)
export LIBRARY_PATH := $(subst $(eval ) ,:,$(strip $(PREPEND_LIB) $(APPEND_LIB) $(subst :, ,$(LIBRARY_PATH))))
endif
include lib/lib.mk

# A program of tools/<name>/*.c with nothing special: $(eval $(call small_tool,name,libraries in the linker's order,-lmore)).
# $(BUILD)/<name>-san is the same with sanitizers, for tests.
define small_tool
$$(BUILD)/tool/$(1)/%.o: tools/$(1)/%.c
	@mkdir -p $$(@D)
	@echo "  CC      $$<"
	$$(Q)$$(CC) $$(LIB_CPPFLAGS) $$(TOOL_CFLAGS) -MMD -MP -c $$< -o $$@
$$(BUILD)/$(1): $$(patsubst tools/$(1)/%.c,$$(BUILD)/tool/$(1)/%.o,$$(sort $$(wildcard tools/$(1)/*.c))) $(2:%=$$(BUILD)/tool/lib%.a)
	@echo "  LD      $$@"
	$$(Q)$$(CC) $$^ $(3) -o $$@
$$(BUILD)/san/tool/$(1)/%.o: tools/$(1)/%.c
	@mkdir -p $$(@D)
	@echo "  HOSTCC  $$<"
	$$(Q)$$(HOSTCC) $$(LIB_CPPFLAGS) $$(TOOL_CFLAGS) -O1 $$(SANITIZE) -fno-omit-frame-pointer -MMD -MP -c $$< -o $$@
$$(BUILD)/$(1)-san: $$(patsubst tools/$(1)/%.c,$$(BUILD)/san/tool/$(1)/%.o,$$(sort $$(wildcard tools/$(1)/*.c))) $(2:%=$$(BUILD)/san/lib%.a)
	@echo "  HOSTLD  $$@"
	$$(Q)$$(HOSTCC) $$(SANITIZE) $$^ $(3) -o $$@
TOOLS += $$(BUILD)/$(1)
tests: $$(BUILD)/$(1)-san
-include $$(wildcard $$(BUILD)/tool/$(1)/*.d $$(BUILD)/san/tool/$(1)/*.d)
endef
include $(wildcard tools/*/*.mk)
tools: $(TOOLS)
