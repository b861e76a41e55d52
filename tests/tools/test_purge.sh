#!/bin/sh
# Debian packages on two Debians, in chroots: one that knew nothing of Xen, and one with Debian's Xen beside which ours come. After a purge every
# file of the system is as it was.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "only root may mount and chroot"; exit 77; }
tmp=$(mktemp -d)
trap 'umount -q "$tmp/root/proc" "$tmp/root" 2>/dev/null || true; rm -rf "$tmp"' EXIT
make -s BUILD="$BUILD" DISTDIR="$tmp" deb

# A copy of a disk, with the packages; what is said on the standard input is done there.
on() { # image
	[ -e "$BUILD/images/$1" ] || { echo "no $1: run scripts/images.sh"; exit 77; }
	cp --sparse=always "$(readlink -f "$BUILD/images/$1")" "$tmp/disk"
	mkdir -p "$tmp/root"
	mount -o loop "$tmp/disk" "$tmp/root" 2>/dev/null || { echo "no loop devices here"; exit 77; }
	mount -t proc proc "$tmp/root/proc"
	mkdir "$tmp/root/trial"
	cp -r "$tmp/deb" tests/system/host/files "$tmp/root/trial/"
	cat - >"$tmp/root/trial/script"
	chroot "$tmp/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive sh -eu /trial/script >"$tmp/out" 2>&1 ||
		{ cat "$tmp/out"; exit 1; }
	umount "$tmp/root/proc" "$tmp/root"
}

on host-disk.img <<'END'
. /trial/files
files >/trial/before
dpkg -i /trial/deb/*.deb
[ -z "$(dpkg --audit)" ]
[ "$(systemctl is-enabled xenstored xenconsoled hospesd xendomains proc-xen.mount | sort -u)" = enabled ]
[ "$(systemctl is-enabled xen-watchdog xendriverdomain xen-qemu-dom0-disk-backend | sort -u)" = disabled ]
xl list && exit 1
[ $? = 1 ] # it says that no hypervisor runs: the wrapper found it
dpkg -i /trial/deb/hospes-utils_*.deb
dpkg --purge hospes hospes-hypervisor hospes-utils hospes-common hospes-guest
files >/trial/after
diff /trial/before /trial/after
END

on dom0-disk.img <<'END'
. /trial/files
files >/trial/before
apt-get install -y --no-install-recommends /trial/deb/hospes-hypervisor_*.deb /trial/deb/hospes-utils_*.deb /trial/deb/hospes-guest_*.deb
[ -z "$(dpkg --audit)" ]
dpkg -s xen-utils-4.17 xen-utils-common >/dev/null
/usr/lib/xen-common/bin/xen-dir && exit 1
dpkg --purge hospes-hypervisor hospes-utils
files >/trial/after
# The clients of the store stay, for xen-utils-common needs some: those of hospes-guest, until Debian's are installed again.
diff /trial/before /trial/after | grep '^[<>]' | grep -v -e xenstore -e hospes-guest -e xen-detect -e proc-xen.mount -e /dpkg/diversions -e ' /var/lib/apt' -e ' /var/cache/apt' && exit 1
exit 0
END
echo "installed and purged on a Debian without Xen, and beside Debian's Xen"
