#!/bin/sh
# Every supported way to build is free of warnings (they are errors): clang, and the debug build. What a builder adds arrives at the compilers.
set -eu
cd "$(dirname "$0")/../.."
make -s -j2 CC=clang BUILD="$BUILD/clang" "$BUILD/clang/hospes" guests >/dev/null
make -s -j2 debug=y BUILD="$BUILD/debug" "$BUILD/debug/hospes" >/dev/null
env -u CC make -n V=1 BUILD="$BUILD/none" CROSS_COMPILE=other- clang=y EXTRA_CFLAGS_XEN_CORE=-DCORE EXTRA_CFLAGS_XEN_TOOLS=-DTOOLS PREPEND_INCLUDES=/first \
	APPEND_INCLUDES=/last all >"$BUILD/commands" 2>/dev/null
for words in '^other-clang .*-DCORE .*hv/core/domain\.c' '^other-clang .*-I/first .*-idirafter /last -DTOOLS .*tools/xl/main\.c' '^other-ld ' '^other-objcopy '; do
	grep -q "$words" "$BUILD/commands" || { echo "no command like $words"; exit 1; }
done
if make -n XEN_TARGET_ARCH=arm64 xenversion >/dev/null 2>&1; then
	echo "builds for what it does not know"
	exit 1
fi
[ "$(make -s XEN_VENDORVERSION=-acme xenversion)" = 4.17.7-hospes-acme ] || { echo "XEN_VENDORVERSION has no effect"; exit 1; }
if make -s XEN_VENDORVERSION=-too-long BUILD="$BUILD/vendor" "$BUILD/vendor/hv/core/version.o" >/dev/null 2>&1; then
	echo "XEN_VENDORVERSION is cut off"
	exit 1
fi
echo "clang and debug builds are clean"
