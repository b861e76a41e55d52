# What a builder may set, with defaults. Everything here can be given on the command line.
XEN_VERSION    := 4
XEN_SUBVERSION := 17
HOSPES_VERSION := 0.1
# The end of what the hypervisor calls itself: at most 6 bytes, for XENVER_extraversion's buffer is 16. Tools know Hospes by what stands before it.
XEN_VENDORVERSION ?= -$(HOSPES_VERSION)
XEN_EXTRAVERSION := .7-hospes$(XEN_VENDORVERSION)

# What compiles for the machine that will run it. As with Xen, CROSS_COMPILE is what its programs' names begin with; clang=y says which compiler.
CROSS_COMPILE   ?=
clang           ?= n
XEN_TARGET_ARCH ?= x86_64
$(if $(filter-out x86_64,$(XEN_TARGET_ARCH)),$(error XEN_TARGET_ARCH: Hospes runs on x86_64 only))
ifneq ($(filter default undefined,$(origin CC)),)
CC      := $(CROSS_COMPILE)$(if $(filter y,$(clang)),clang,gcc)
endif
LD      := $(CROSS_COMPILE)ld
OBJCOPY := $(CROSS_COMPILE)objcopy
STRIP   := $(CROSS_COMPILE)strip
NM      := $(CROSS_COMPILE)nm
# What compiles for this machine: tests of the host.
HOSTCC  ?= $(if $(CROSS_COMPILE),gcc,$(CC))
PYTHON  := python3
BUILD   := build
debug   ?= n
# Further words for the compiler of the hypervisor and of tools, and directories where tools find headers and libraries beside the system's.
EXTRA_CFLAGS_XEN_CORE  ?=
EXTRA_CFLAGS_XEN_TOOLS ?=
PREPEND_INCLUDES ?=
APPEND_INCLUDES  ?=
PREPEND_LIB      ?=
APPEND_LIB       ?=

# Reproducible build: an explicit date wins, then SOURCE_DATE_EPOCH, then the last commit's date; never the clock.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
XEN_BUILD_DATE    ?= $(shell LC_ALL=C date -u -d @$(SOURCE_DATE_EPOCH) '+%a %b %e %H:%M:%S UTC %Y')
XEN_BUILD_TIME    ?= $(shell LC_ALL=C date -u -d @$(SOURCE_DATE_EPOCH) '+%H:%M:%S')
XEN_BUILD_HOST    ?= hospes
XEN_WHOAMI        ?= builder
XEN_DOMAIN        ?= localdomain
# Recipes for Xen set these too; no firmware is built here that would carry them, but $(BOOT_DIR)/xen-*.config records them.
SMBIOS_REL_DATE   ?= $(shell LC_ALL=C date -u -d @$(SOURCE_DATE_EPOCH) '+%m/%d/%Y')
VGABIOS_REL_DATE  ?= $(shell LC_ALL=C date -u -d @$(SOURCE_DATE_EPOCH) '+%d %b %Y')

# Where things go. `make install` puts them below DESTDIR, `make dist` below DISTDIR.
DESTDIR ?=
DISTDIR ?= dist
PREFIX  ?= /usr
# What tells this hypervisor's files from another's of the same version: /boot/xen-$(XEN_NAME).gz, $(PREFIX)/lib/xen-$(XEN_NAME)/bin.
XEN_NAME         ?= $(XEN_VERSION).$(XEN_SUBVERSION)-hospes
BOOT_DIR         ?= /boot
DEBUG_DIR        ?= $(PREFIX)/lib/debug
LIBEXEC_DIR      ?= $(PREFIX)/lib/xen-$(XEN_NAME)/bin
DOC_DIR          ?= $(PREFIX)/share/doc/hospes
CONFIG_DIR       ?= /etc/xen
STATE_DIR        ?= /var
SYSCONFIG_DIR    ?= /etc/default
INITD_DIR        ?= /etc/init.d
SYSTEMD_DIR      ?= $(PREFIX)/lib/systemd
MODULES_LOAD_DIR ?= $(PREFIX)/lib/modules-load.d
UDEV_DIR         ?= $(PREFIX)/lib/udev
BASH_COMPLETION_DIR ?= $(PREFIX)/share/bash-completion/completions
# The modules of a control domain's Linux, and the QEMU that serves disk images.
LINUX_BACKEND_MODULES ?= xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-blkback xen-netback xen-pciback
QEMU_XEN         ?= /usr/libexec/xen-qemu-system-i386
# What starts services here: systemd, sysv or both.
INIT ?= $(if $(wildcard /run/systemd/system),systemd,sysv)

# V=1 shows the commands.
Q := $(if $(V),,@)
# Keeps gcc from turning the loop inside a memset() into a call of memset(); clang does not know it nor do it.
NO_LOOP_CALLS := $(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns)
