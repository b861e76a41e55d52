#!/bin/sh
# Every supported way to build is free of warnings (they are errors): clang, and the debug build.
set -eu
cd "$(dirname "$0")/../.."
make -s -j2 CC=clang BUILD="$BUILD/clang" "$BUILD/clang/hospes" guests >/dev/null
make -s -j2 debug=y BUILD="$BUILD/debug" "$BUILD/debug/hospes" >/dev/null
echo "clang and debug builds are clean"
