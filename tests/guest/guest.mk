# Micro-guests: every tests/guest/NAME.c becomes $(BUILD)/guest/NAME32 and NAME64.
GUEST_SRCS := $(sort $(wildcard tests/guest/*.c))
GUESTS := $(foreach w,32 64,$(GUEST_SRCS:tests/guest/%.c=$(BUILD)/guest/%$(w)))
GUEST_CFLAGS := -std=gnu17 -O2 -ffreestanding -fno-pie -fno-stack-protector -fcf-protection=none -mgeneral-regs-only -mno-red-zone \
        -fno-asynchronous-unwind-tables $(NO_LOOP_CALLS) -ffile-prefix-map=$(CURDIR)=. -Itests/guest $(WARN)

$(BUILD)/guest/%32: tests/guest/%.c tests/guest/lib/guest.c tests/guest/lib/start.S tests/guest/lib/guest.lds $(wildcard tests/guest/lib/*.h)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -m32 $(GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments,-T,tests/guest/lib/guest.lds -o $@ \
	    $< tests/guest/lib/guest.c tests/guest/lib/start.S
$(BUILD)/guest/%64: tests/guest/%.c tests/guest/lib/guest.c tests/guest/lib/start.S tests/guest/lib/guest.lds $(wildcard tests/guest/lib/*.h)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) -m64 $(GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments,-T,tests/guest/lib/guest.lds -o $@ \
	    $< tests/guest/lib/guest.c tests/guest/lib/start.S
.PHONY: guests
.DELETE_ON_ERROR:
guests: $(GUESTS) $(BUILD)/hospes-pvh
