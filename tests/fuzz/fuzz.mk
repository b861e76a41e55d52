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

# The store's fuzzers: its own objects, the core's world or the whole daemon instead of the hypervisor's library.
FUZZ_STORE_CFLAGS := -I. -Ilib -iquote abi -D_GNU_SOURCE $(FUZZ_CFLAGS)
FUZZ_STORE_CORE := $(STORE_CORE:%.c=$(BUILD)/fuzz/store/%.o) $(BUILD)/fuzz/store/tests/store/fake.o
FUZZ_STORE_IO := $(patsubst %.c,$(BUILD)/fuzz/store/%.o,$(filter-out tools/xenstored/main.c,$(wildcard tools/xenstored/*.c)) \
                   $(wildcard lib/hcall/*.c) lib/store/wire.c lib/base/service.c tests/store/io/world.c)
$(BUILD)/fuzz/store/%.o: %.c
	@mkdir -p $(@D)
	@echo "  FUZZCC  $<"
	$(Q)$(FUZZ_CC) $(FUZZ_STORE_CFLAGS) -MMD -MP -c $< -o $@
FUZZ_STORE_LINK = $(Q)$(FUZZ_CC) $(FUZZ_STORE_CFLAGS) -fsanitize=fuzzer $< -o $@ $(filter %.o,$^) -lcmocka
$(BUILD)/fuzz/fuzz_store_request: tests/fuzz/fuzz_store_request.c $(FUZZ_STORE_CORE)
	@echo "  FUZZCC  $<"
	$(FUZZ_STORE_LINK) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(BUILD)/fuzz/fuzz_store_ring $(BUILD)/fuzz/fuzz_store_state: $(BUILD)/fuzz/%: tests/fuzz/%.c $(FUZZ_STORE_IO)
	@echo "  FUZZCC  $<"
	$(FUZZ_STORE_LINK)
$(BUILD)/fuzz/fuzz_store_wire: tests/fuzz/fuzz_store_wire.c $(BUILD)/fuzz/store/lib/store/wire.o
	@echo "  FUZZCC  $<"
	$(FUZZ_STORE_LINK)
-include $(FUZZ_STORE_CORE:.o=.d) $(FUZZ_STORE_IO:.o=.d)

# Kernel files as the builder of guests reads them.
FUZZ_KERNEL_SRCS := $(addprefix lib/guest/,bzimage.c unpack.c image.c) hv/launch/elf.c
$(BUILD)/fuzz/fuzz_kernel: tests/fuzz/fuzz_kernel.c $(FUZZ_KERNEL_SRCS) lib/guest/unpack.h hv/launch/elf.h
	@mkdir -p $(@D)
	@echo "  FUZZCC  $<"
	$(Q)$(FUZZ_CC) -Ilib -D_GNU_SOURCE $(HOST_CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer $(filter %.c,$^) -o $@ -lz -lbz2 -llzma -llz4 -lzstd

# The console daemon's ring.
$(BUILD)/fuzz/fuzz_console_ring: tests/fuzz/fuzz_console_ring.c tools/xenconsoled/ring.c tools/xenconsoled/ring.h
	@mkdir -p $(@D)
	@echo "  FUZZCC  $<"
	$(Q)$(FUZZ_CC) $(FUZZ_STORE_CFLAGS) -fsanitize=fuzzer $(filter %.c,$^) -o $@

# Configurations of domains, as text and as JSON.
FUZZ_DOMAIN_SRCS := $(sort $(wildcard lib/domain/*.c)) lib/base/problem.c lib/base/text.c lib/base/utf8.c
$(BUILD)/fuzz/fuzz_domain_config $(BUILD)/fuzz/fuzz_domain_json: $(BUILD)/fuzz/%: tests/fuzz/%.c $(FUZZ_DOMAIN_SRCS) $(wildcard lib/domain/*.h)
	@mkdir -p $(@D)
	@echo "  FUZZCC  $<"
	$(Q)$(FUZZ_CC) $(FUZZ_STORE_CFLAGS) -fsanitize=fuzzer $(filter %.c,$^) -o $@ -ljson-c

# hospesd's socket: the whole daemon in a world that takes no time.
FUZZ_HOSPESD := $(patsubst %.c,$(BUILD)/fuzz/store/%.o,$(filter-out $(addprefix tools/hospesd/,main.c hv.c work.c script.c),$(wildcard tools/hospesd/*.c)) \
                  $(wildcard lib/domain/*.c lib/base/*.c lib/store/*.c lib/host/*.c) tests/fuzz/hospesd_world.c)
$(BUILD)/fuzz/fuzz_hospesd: tests/fuzz/fuzz_hospesd.c $(FUZZ_HOSPESD)
	@echo "  FUZZCC  $<"
	$(Q)$(FUZZ_CC) $(FUZZ_STORE_CFLAGS) -fsanitize=fuzzer $(filter %.c %.o,$^) -o $@ -ljson-c -Wl,--wrap=epoll_wait,--wrap=clock_gettime
-include $(FUZZ_HOSPESD:.o=.d)
