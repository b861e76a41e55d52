# The in-guest loader: a freestanding ELF with the distribution's static decompressors, embedded in the image.
LOADER_SRCS := $(wildcard loader/*.c)
LOADER_OBJS := $(LOADER_SRCS:%.c=$(BUILD)/%.o) $(BUILD)/loader/start.S.o
LOADER_CFLAGS := -std=gnu17 -O2 -g -ffreestanding -fpie -fvisibility=hidden -fno-stack-protector -fcf-protection=none \
        -fno-asynchronous-unwind-tables $(NO_LOOP_CALLS) -ffunction-sections -fdata-sections \
        -ffile-prefix-map=$(CURDIR)=. $(WARN)

$(BUILD)/loader/%.o: loader/%.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -Ihv/include $(LOADER_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/loader.elf: $(LOADER_OBJS) loader/loader.lds
	$(LD) -static --no-relax --no-warn-rwx-segments --gc-sections -z noexecstack --build-id=none -T loader/loader.lds -o $@.syms $(LOADER_OBJS) \
	    $(foreach l,lzma z lz4 zstd,$(shell $(CC) -print-file-name=lib$(l).a))
	$(OBJCOPY) --strip-all $@.syms $@
-include $(LOADER_OBJS:.o=.d)
$(BUILD)/hv/launch/blob.S.o: $(BUILD)/loader.elf
$(BUILD)/hv/launch/blob.S.o: HV_CPPFLAGS += -Wa,-I$(BUILD)
