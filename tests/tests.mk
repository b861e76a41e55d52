# Host tests: each tests/unit/test_X.c is a program linked with the hypervisor's arch-free code and the fake machine.
HOST_SRCS := $(sort $(shell find hv/core hv/mm hv/sched hv/lib hv/launch hv/arch/host -name '*.c')) \
             $(sort $(shell find hv/boot -name 'multiboot*.c')) hv/boot/pvh.c \
             $(sort $(shell find hv/arch/x86/emul -name '*.c')) $(wildcard hv/arch/x86/policy.c hv/arch/x86/policy_serial.c hv/arch/x86/errata.c hv/arch/x86/domctl_x86.c hv/arch/x86/sysctl_x86.c hv/arch/x86/hvm/vcpu_check.c hv/arch/x86/hvm/vlapic.c hv/arch/x86/hvm/vioapic.c hv/drivers/acpi_parse.c) \
             $(addprefix hv/arch/x86/hvm/vlapic_,regs.c state.c) $(addprefix hv/arch/x86/hvm/vpci_,config.c header.c map.c msi.c msix.c) hv/drivers/pci_scan.c hv/drivers/pci_msi_regs.c $(wildcard hv/drivers/iommu/*.c)
# libc has these already.
HOST_SRCS := $(filter-out hv/lib/string.c hv/lib/printf.c,$(HOST_SRCS))
HOST_OBJS := $(HOST_SRCS:%.c=$(BUILD)/host/%.o)
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=undefined
HOST_CPPFLAGS := -Ihv/include -Ihv/arch/host/include -I. -iquote abi -Ihv/arch/x86 -I$(BUILD)/gen
# Hidden: a name of ours that libc has too (sched_yield) must not become the sanitizers' one.
HOST_CFLAGS := -std=gnu17 -fvisibility=hidden -O1 -g -fno-omit-frame-pointer $(SANITIZE) $(WARN)

$(BUILD)/host/%.o: %.c $(BUILD)/gen/compile.h tests/tests.mk
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(HOST_CPPFLAGS) $(HOST_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/host/libhv.a: $(HOST_OBJS)
	@rm -f $@
	ar rcs $@ $^

UNIT_SRCS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(UNIT_SRCS:tests/unit/%.c=$(BUILD)/unit/%)
# Libraries a single test needs beside cmocka: UNIT_LIBS_<test>.
UNIT_LIBS_test_launch_tree := -lfdt
UNIT_LIBS_test_launch_build := -lfdt
# Calls of the allocator come by the test, which lets them fail.
NO_MEMORY_WRAP := $(foreach f,heap_alloc heap_alloc_array alloc_frames alloc_frames_at alloc_page overhead_alloc overhead_alloc_array overhead_page,-Xlinker --wrap=$f)
UNIT_LIBS_test_no_memory := $(NO_MEMORY_WRAP)
UNIT_LIBS_test_no_memory_launch := $(NO_MEMORY_WRAP)
UNIT_LIBS_test_no_memory_devices := $(NO_MEMORY_WRAP) -Xlinker --wrap=panic
# Who takes which lock, and who disturbs whom, is noted by the test.
UNIT_LIBS_test_sched_strangers := -Wl,--wrap=spin_lock,--wrap=spin_trylock,--wrap=softirq_raise
# A test steps in between two holds of a lock.
UNIT_LIBS_test_frame_race := -Wl,--wrap=spin_lock
# What a domain may be given is looked at and changed under its lock; a new domain is destroyed as soon as it can be found.
UNIT_LIBS_test_domctl := -Wl,--wrap=rangeset_contains,--wrap=rangeset_add,--wrap=rangeset_remove,--wrap=domain_create
# Code the fake machine has a stand-in for, and the test of it the real one.
UNIT_OBJS_test_pci_owners := $(BUILD)/host/hv/drivers/pci.o
$(BUILD)/unit/test_pci_owners: $(UNIT_OBJS_test_pci_owners)
# All that drives the machine's devices, on domains of the fake machine and with ports of the test's.
UNIT_OBJS_test_no_memory_devices := $(addprefix $(BUILD)/host-x86/hv/,$(addprefix arch/x86/,irq.o hvm/handler.o hvm/vpci.o hwdom/gsi.o hwdom/hwdom.o hwdom/mmio.o) $(addprefix drivers/,pci.o pci_access.o pci_msi.o))
$(BUILD)/unit/test_no_memory_devices: $(UNIT_OBJS_test_no_memory_devices)
$(BUILD)/unit/test_no_memory_devices $(UNIT_OBJS_test_no_memory_devices): private HOST_CPPFLAGS := -Itests/unit/fake_io $(HOST_CPPFLAGS) -Ihv/arch/x86/include
# A part of the real machine, with its own headers.
UNIT_OBJS_test_svm_event := $(BUILD)/host-x86/hv/arch/x86/svm/event.o
$(BUILD)/unit/test_svm_event: $(UNIT_OBJS_test_svm_event)
$(BUILD)/unit/test_svm_event $(UNIT_OBJS_test_svm_event): private HOST_CPPFLAGS := -Ihv/arch/x86/include $(HOST_CPPFLAGS)
UNIT_OBJS_test_svm_exit := $(addprefix $(BUILD)/host-x86/hv/arch/x86/svm/,event.o exit.o state.o)
UNIT_LIBS_test_svm_exit := -Wl,--wrap=domain_crash
$(BUILD)/unit/test_svm_exit: $(UNIT_OBJS_test_svm_exit)
$(BUILD)/unit/test_svm_exit $(UNIT_OBJS_test_svm_exit): private HOST_CPPFLAGS := -Ihv/arch/x86/include $(HOST_CPPFLAGS)
UNIT_OBJS_test_npf := $(BUILD)/host-x86/hv/arch/x86/hvm/mmio.o
$(BUILD)/unit/test_npf: $(UNIT_OBJS_test_npf)
$(BUILD)/unit/test_npf $(UNIT_OBJS_test_npf): private HOST_CPPFLAGS := -Ihv/arch/x86/include $(HOST_CPPFLAGS)
# With memory of the test's own behind its sections.
UNIT_OBJS_test_guest_walk := $(BUILD)/host-x86/hv/arch/x86/hvm/guest_walk.o
$(BUILD)/unit/test_guest_walk: $(UNIT_OBJS_test_guest_walk) tests/unit/fake_memory/hvm/section.h
$(BUILD)/unit/test_guest_walk $(UNIT_OBJS_test_guest_walk): private HOST_CPPFLAGS := -Itests/unit/fake_memory -Ihv/arch/x86/include $(HOST_CPPFLAGS)
$(BUILD)/host-x86/%.o: %.c $(BUILD)/gen/compile.h tests/tests.mk
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(HOST_CPPFLAGS) $(HOST_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/host/libhv.a
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(HOST_CPPFLAGS) -Itests/unit $(HOST_CFLAGS) -MMD -MP $< -o $@ $(UNIT_OBJS_$(notdir $@)) $(BUILD)/host/libhv.a -lcmocka $(UNIT_LIBS_$(notdir $@))

include tests/store/store.mk
include tests/store/io/io.mk
include tests/tools/guest/guest.mk
-include tests/tools/console/console.mk
include tests/tools/domain/domain.mk

.PHONY: unit
unit: $(UNIT_BINS)
	@for t in $(UNIT_BINS); do $$t || exit 1; done
-include $(HOST_OBJS:.o=.d) $(UNIT_OBJS_test_svm_exit:.o=.d) $(UNIT_OBJS_test_npf:.o=.d) $(UNIT_OBJS_test_guest_walk:.o=.d) $(UNIT_BINS:=.d)
-include tests/abi/abi.mk
-include tests/fuzz/fuzz.mk
-include tests/store/lab.mk
-include tests/sim/sim.mk
-include tests/xl/xl.mk
-include tests/bench/bench.mk

# All host tests; the fuzzers are apart, for they need clang.
.PHONY: tests fuzzers
tests: $(UNIT_BINS) $(BUILD)/abi/test_abi bench-tools
fuzzers: $(FUZZ_BINS)
