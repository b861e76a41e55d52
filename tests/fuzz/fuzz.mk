# Fuzzers: each tests/fuzz/fuzz_X.c with the arch-free code compiled by clang for libFuzzer.
FUZZ_CC ?= clang
FUZZ_CFLAGS := $(filter-out -fsanitize=%,$(HOST_CFLAGS)) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJS := $(HOST_SRCS:%.c=$(BUILD)/fuzz/obj/%.o)
FUZZ_BINS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

$(BUILD)/fuzz/obj/%.o: %.c $(BUILD)/gen/compile.h
	@mkdir -p $(@D)
	@echo "  FUZZCC  $<"
	$(Q)$(FUZZ_CC) $(HOST_CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/fuzz/libhv.a: $(FUZZ_OBJS)
	@rm -f $@
	$(Q)ar rcs $@ $^
$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(BUILD)/fuzz/libhv.a
	@echo "  FUZZCC  $<"
	$(Q)$(FUZZ_CC) $(HOST_CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer -MMD -MP $< -o $@ $(BUILD)/fuzz/libhv.a

.PHONY: fuzz
fuzz: $(FUZZ_BINS)
-include $(FUZZ_OBJS:.o=.d) $(FUZZ_BINS:=.d)
