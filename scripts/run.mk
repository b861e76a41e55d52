# What one types: run, test, check and friends.
IMAGES := $(BUILD)/images

.PHONY: setup images oracle-images run check test test-oracle soak bench lint format iso gdb help

setup:
	@sh scripts/setup.sh

# A fresh machine has nothing to compile with: set up first, then build in a second make.
run: setup
	@$(MAKE) --no-print-directory all guests
	@sh scripts/images.sh $(IMAGES) kernels
	@sh scripts/pv-modules.sh $(IMAGES)
	@BUILD=$(BUILD) $(PYTHON) scripts/run.py $(DEMO)

lint:
	@sh scripts/lint.sh

check: setup
	@$(MAKE) --no-print-directory -j2 all guests tests
	@sh scripts/images.sh $(IMAGES) kernels
	@sh scripts/images.sh $(IMAGES) oracle
	@sh scripts/lint.sh
	@BUILD=$(BUILD) $(PYTHON) tests/run.py unit abi tools boot

test: setup
	@$(MAKE) --no-print-directory -j2 all guests tests fuzzers
	@sh scripts/images.sh $(IMAGES) kernels
	@sh scripts/images.sh $(IMAGES) oracle
	@sh scripts/images.sh $(IMAGES) debian
	@sh scripts/pv-modules.sh $(IMAGES)
	@sh scripts/store-oracle.sh $(IMAGES)
	@sh scripts/qemu-root.sh $(IMAGES)
	@sh scripts/xl-clients.sh $(IMAGES)
	@sh scripts/lint.sh
	@BUILD=$(BUILD) $(PYTHON) tests/run.py unit abi tools store sim fuzz boot system
	@$(PYTHON) scripts/check-compat.py docs/compatibility.md docs/linux-configuration.md $(BUILD)/tests-ran.txt

test-oracle: setup
	@$(MAKE) --no-print-directory -j2 all guests $(BUILD)/dom0-create
	@sh scripts/images.sh $(IMAGES) kernels
	@sh scripts/images.sh $(IMAGES) oracle
	@sh scripts/images.sh $(IMAGES) debian
	@sh scripts/pv-modules.sh $(IMAGES)
	@sh scripts/store-oracle.sh $(IMAGES)
	@BUILD=$(BUILD) $(PYTHON) tests/run.py oracle

soak: setup
	@$(MAKE) --no-print-directory -j2 all guests tests fuzzers
	@sh scripts/images.sh $(IMAGES) kernels
	@sh scripts/images.sh $(IMAGES) debian
	@sh scripts/qemu-root.sh $(IMAGES)
	@BUILD=$(BUILD) FUZZ_RUNS=2000000 $(PYTHON) tests/run.py fuzz soak
	@BUILD=$(BUILD) MODEL_OPERATIONS=10000000 $(PYTHON) tests/store/test_model.py

bench: setup
	@$(MAKE) --no-print-directory -j2 all guests bench-tools
	@sh scripts/images.sh $(IMAGES) kernels
	@sh scripts/images.sh $(IMAGES) oracle
	@sh scripts/pv-modules.sh $(IMAGES)
	@BUILD=$(BUILD) BENCH='$(BENCH)' $(PYTHON) tests/bench/bench.py

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# A bootable CD: GRUB, Hospes, and the demonstration's domains.
iso: all guests
	@sh scripts/images.sh $(IMAGES) kernels
	@BUILD=$(BUILD) sh scripts/iso.sh $(BUILD)/hospes.iso

# Boot the demonstration stopped, waiting for gdb on port 1234 with symbols from build/hospes-syms.
gdb: all guests
	@sh scripts/images.sh $(IMAGES) kernels
	@echo "in another terminal: gdb -ex 'target remote :1234' $(BUILD)/hospes-syms"
	@BUILD=$(BUILD) $(PYTHON) scripts/run.py -s -S

help:
	@echo 'make            build $(BUILD)/hospes, $(BUILD)/hospes-syms and the tools'
	@echo 'make run        set up, build, boot in QEMU: Debian as dom0, our daemons and xl make two domains with disk and network'
	@echo 'make run DEMO=launch  the same machine without a dom0: three isolated domains from one device tree'
	@echo 'make test       set up and run every test; make check: the three-minute part of it'
	@echo 'make test-oracle  the same micro-guests on Debian'\''s Xen 4.17, outputs compared'
	@echo 'make bench      compare speed with Debian'\''s Xen 4.17 in one run; BENCH=quick, or some of: calls boot create devices drivers many'
	@echo 'make bench-store  the store daemon beside Debian'\''s two; make store-oracle fetches them'
	@echo 'make soak       long runs; make lint, format: style'
	@echo 'make install    onto this machine, or below DESTDIR; uninstall; dist: everything for any machine, below DISTDIR; deb: Debian packages'
	@echo 'make iso, gdb, clean, src-tarball, xenversion'
	@echo 'variables: BUILD CC debug=y DESTDIR PREFIX BOOT_DIR DISTDIR INIT SOURCE_DATE_EPOCH XEN_BUILD_{DATE,TIME,HOST} and more: config.mk'
