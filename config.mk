# What a builder may set, with defaults. Everything here can be given on the command line.
XEN_VERSION    := 4
XEN_SUBVERSION := 17
HOSPES_VERSION := 0.1
# At most 15 bytes: XENVER_extraversion's buffer is 16.
XEN_EXTRAVERSION := .7-hospes-$(HOSPES_VERSION)

CC      ?= gcc
HOSTCC  ?= $(CC)
LD      := ld
OBJCOPY := objcopy
NM      := nm
PYTHON  := python3
BUILD   := build
debug   ?= n

# Reproducible build: an explicit date wins, then SOURCE_DATE_EPOCH, then the last commit's date; never the clock.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
XEN_BUILD_DATE    ?= $(shell LC_ALL=C date -u -d @$(SOURCE_DATE_EPOCH) '+%a %b %e %H:%M:%S UTC %Y')
XEN_BUILD_TIME    ?= $(shell LC_ALL=C date -u -d @$(SOURCE_DATE_EPOCH) '+%H:%M:%S')
XEN_BUILD_HOST    ?= hospes
XEN_WHOAMI        ?= builder
XEN_DOMAIN        ?= localdomain

DESTDIR ?=
PREFIX  ?= /usr
BOOT_DIR ?= /boot
DISTDIR ?= dist

# V=1 shows the commands.
Q := $(if $(V),,@)
# Keeps gcc from turning the loop inside a memset() into a call of memset(); clang does not know it nor do it.
NO_LOOP_CALLS := $(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns)
