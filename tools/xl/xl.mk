# xl, which is xentop too.
XL_SRCS := $(sort $(wildcard tools/xl/*.c))
XL_OBJS := $(XL_SRCS:%.c=$(BUILD)/tool/xl/%.o)
XL_LIBS := $(addprefix $(BUILD)/tool/,libguest.a libdomain.a librpc.a libhcall.a libstore.a libhost.a libbase.a)

$(BUILD)/tool/xl/tools/xl/devd-qemu.o $(BUILD)/san/xl/tools/xl/devd-qemu.o: LIB_CPPFLAGS += -DQEMU_XEN='"$(QEMU_XEN)"'

$(BUILD)/tool/xl/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/xl: $(XL_OBJS) $(XL_LIBS)
	@echo "  LD      $@"
	$(Q)$(CC) $(XL_OBJS) $(XL_LIBS) -ljson-c -lncurses -ltinfo -o $@
	$(Q)ln -sf xl $(BUILD)/xentop
TOOLS += $(BUILD)/xl

# With sanitizers, for tests.
XL_SAN_OBJS := $(XL_SRCS:%.c=$(BUILD)/san/xl/%.o)
XL_SAN_LIBS := $(XL_LIBS:$(BUILD)/tool/%=$(BUILD)/san/%)
$(BUILD)/san/xl/%.o: %.c
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(LIB_CPPFLAGS) $(TOOL_CFLAGS) -O1 $(SANITIZE) -fno-omit-frame-pointer -MMD -MP -c $< -o $@
$(BUILD)/xl-san: $(XL_SAN_OBJS) $(XL_SAN_LIBS)
	@echo "  HOSTLD  $@"
	$(Q)$(HOSTCC) $(SANITIZE) $(XL_SAN_OBJS) $(XL_SAN_LIBS) -ljson-c -lncurses -ltinfo -o $@
tests: $(BUILD)/xl-san
-include $(XL_OBJS:.o=.d) $(XL_SAN_OBJS:.o=.d)
