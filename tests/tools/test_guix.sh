#!/bin/sh
# The declarations for Guix System load, and what they start is installed. Guile is Debian's; stand-ins for Guix's modules are in guix/.
set -eu
cd "$(dirname "$0")/../.."
command -v guile >/dev/null || { echo "no guile"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
make -s BUILD="$BUILD" DESTDIR= INIT=sysv PREFIX="$tmp/store" BOOT_DIR="$tmp/store/boot" SYSCONFIG_DIR="$tmp/store/etc/default" \
	INITD_DIR="$tmp/store/etc/init.d" CONFIG_DIR="$tmp/store/etc/xen" STATE_DIR="$tmp/store/var" install
mkdir -p "$tmp/store/bin"
cp /bin/true "$tmp/store/bin/qemu-system-i386"
GUILE_AUTO_COMPILE=0 guile -L packaging/guix -L tests/tools/guix -s tests/tools/guix/check.scm "$tmp/store"
