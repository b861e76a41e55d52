# Programs of the store's tests: the library that lets Debian's daemons run here, the load generator, the model.
LAB_CFLAGS = $(TOOL_CFLAGS) -I. -Ilib
$(BUILD)/store/preload.so: tests/store/lab/preload.c tools/xenstored/hyper_fake.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(LAB_CFLAGS) -fPIC -shared $< -o $@
$(BUILD)/store/load: $(wildcard tests/bench/store/*.h) tests/bench/store/load.c tests/bench/store/guest.c lib/store/wire.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(LAB_CFLAGS) $(filter %.c,$^) -o $@
$(BUILD)/store/echo: tests/bench/store/echo.c lib/store/wire.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(LAB_CFLAGS) $^ -o $@
$(BUILD)/store/model: $(wildcard tests/store/model/*.[ch]) lib/store/wire.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(LAB_CFLAGS) $(filter %.c,$^) -o $@
$(BUILD)/store/async: tests/store/async_check.c lib/store/async.c lib/store/client.c lib/store/wire.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(LAB_CFLAGS) $^ -o $@
LAB_PROGRAMS := $(addprefix $(BUILD)/store/,preload.so load echo model async)

# Debian's daemons and tools to compare with.
.PHONY: store-lab store-oracle bench-store
store-lab: tools $(LAB_PROGRAMS)
store-oracle:
	@sh scripts/store-oracle.sh $(BUILD)/images
tests: store-lab
bench-store: store-lab store-oracle
	@BUILD=$(BUILD) $(PYTHON) tests/bench/store/latency.py
	@BUILD=$(BUILD) $(PYTHON) tests/bench/store/bench.py
