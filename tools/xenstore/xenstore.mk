# One program under ten names.
XENSTORE_SRCS := $(wildcard tools/xenstore/*.c) lib/store/client.c lib/store/wire.c lib/base/utf8.c
XENSTORE_OBJS := $(XENSTORE_SRCS:%.c=$(BUILD)/tool/xenstore/%.o)
XENSTORE_NAMES := read write list ls rm exists chmod watch control

$(BUILD)/tool/xenstore/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) -I. -Ilib $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/xenstore: $(XENSTORE_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(XENSTORE_OBJS) -o $@
	$(Q)for n in $(XENSTORE_NAMES); do ln -sf xenstore $(BUILD)/xenstore-$$n; done
TOOLS += $(BUILD)/xenstore
-include $(XENSTORE_OBJS:.o=.d)
