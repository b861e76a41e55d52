# The store proper without its I/O: each tests/store/test_X.c is a program of the unit suite, over the world of fake.c.
STORE_CORE := $(addprefix tools/xenstored/,check.c chores.c commit.c conflict.c control.c dir.c hash.c live.c owned.c perms.c quota.c removal.c request.c \
                transaction.c transaction_move.c tree.c view.c view_emit.c watch.c watch_fire.c watch_place.c) lib/store/wire.c
STORE_TEST_OBJS := $(STORE_CORE:%.c=$(BUILD)/store/%.o) $(BUILD)/store/tests/store/fake.o
STORE_TEST_SRCS := $(sort $(wildcard tests/store/test_*.c))
STORE_TEST_BINS := $(STORE_TEST_SRCS:tests/store/test_%.c=$(BUILD)/unit/test_store_%)
STORE_TEST_CFLAGS := -I. -Ilib -D_GNU_SOURCE $(HOST_CFLAGS)

$(BUILD)/store/%.o: %.c
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(STORE_TEST_CFLAGS) -MMD -MP -c $< -o $@
$(STORE_TEST_BINS): $(BUILD)/unit/test_store_%: tests/store/test_%.c $(STORE_TEST_OBJS)
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOSTCC) $(STORE_TEST_CFLAGS) -MMD -MP $< -o $@ $(STORE_TEST_OBJS) -lcmocka \
		-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
UNIT_BINS += $(STORE_TEST_BINS)
.PHONY: store-tests
store-tests: $(STORE_TEST_BINS)
-include $(STORE_TEST_OBJS:.o=.d) $(STORE_TEST_BINS:=.d)
