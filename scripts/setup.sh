#!/bin/sh
# Install what building, running and testing Hospes needs, from Debian, by name. Says what; does nothing when all is there.
set -eu

packages="gcc clang lld llvm make binutils libc6-dev python3 git ca-certificates
 qemu-system-x86 busybox-static cpio dpkg-dev clang-format
 libcmocka-dev libfdt-dev device-tree-compiler libxen-dev
 liblzma-dev liblz4-dev zlib1g-dev libzstd-dev xz-utils lz4 zstd
 valgrind libjson-c-dev libncurses-dev libseccomp-dev libbz2-dev libcapstone-dev acpica-tools mandoc grub-pc-bin grub-efi-amd64-bin ovmf grub-common xorriso mtools mmdebstrap e2fsprogs systemd guile-3.0 rpm iproute2 net-tools"

missing=""
for p in $packages; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "setup: needs root or sudo to install:$missing" >&2; exit 1; }
	sudo=sudo
fi
echo "setup: installing from Debian${sudo:+ through sudo}:$missing" >&2
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
