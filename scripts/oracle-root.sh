#!/bin/sh
# Build the initramfs of the oracle's dom0: Debian's unmodified Xen 4.17 tools with the libraries they need, busybox,
# four kernel modules and scripts/oracle-init. Also unpacks the kernel, because real Xen takes long to do it.
#
#   oracle-root.sh DIR
#
# leaves in DIR: oracle-root.cpio.gz, vmlinux-generic. Guests are not in it: tests append a second archive with /guests.
set -eu

dir=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir/cache"
dir=$(cd "$dir" && pwd)
tools="xen-utils-4.17 libxenmisc4.17 libxenstore4 libxentoolcore1 libxencall1 libxenevtchn1 libxengnttab1
 libxendevicemodel1 libxenforeignmemory1 libxentoollog1 libxenhypfs1 xenstore-utils libyajl2 libfdt1"
kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)

key=$(apt-cache policy $tools "$kernel" busybox-static libc6 | grep -E '^[a-z]|Candidate' | cat - "$0" "$here/oracle-init" | sha256sum | cut -c1-16)
root="$dir/cache/oracle-root_$key.cpio.gz"
vmlinux="$dir/cache/vmlinux-generic_$key"
if [ ! -s "$root" ] || [ ! -s "$vmlinux" ]; then
	tmp=$(mktemp -d "$dir/cache/root.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	echo "oracle-root: fetching Debian's Xen tools and kernel modules" >&2
	mkdir "$tmp/debs" "$tmp/all" "$tmp/root"
	(cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User=root download $tools "$kernel" >/dev/null)
	for deb in "$tmp"/debs/*.deb; do
		case $deb in
		*/linux-image-*) dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tmp/all" --wildcards './lib/modules/*/kernel/drivers/xen/*' './boot/vmlinuz-*' ;;
		*) dpkg-deb -x "$deb" "$tmp/all" ;;
		esac
	done
	r=$tmp/root
	for d in bin dev proc sys tmp run var/run/xen var/run/xenstored var/lib/xen var/lib/xenstored var/log/xen etc/xen lib lib64 modules guests; do
		mkdir -p "$r/$d"
	done
	for p in xl xenstored xenconsoled xen-init-dom0; do
		cp "$tmp/all/usr/lib/xen-4.17/bin/$p" "$r/bin/"
	done
	: >"$r/etc/xen/xl.conf"
	cp "$tmp/all/usr/bin/xenstore-write" "$r/bin/" 2>/dev/null || true
	for m in evtchn gntdev privcmd xenfs; do
		cp "$(find "$tmp/all/lib/modules" -name "xen-$m.ko" -o -name "$m.ko")" "$r/modules/"
	done
	cp "$(command -v busybox)" "$r/bin/busybox"
	for a in sh mount cat echo insmod mkdir sleep timeout poweroff reboot sed grep ln rm dd printf ls dmesg; do
		ln -s busybox "$r/bin/$a"
	done
	cp "$here/oracle-init" "$r/init"
	chmod 755 "$r/init"

	# Libraries: the closure of what the programs name, first from the packages, else the host's.
	libs="$tmp/all/usr/lib/x86_64-linux-gnu $tmp/all/usr/lib/xen-4.17/lib /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu"
	cp -L /lib64/ld-linux-x86-64.so.2 "$r/lib64/"
	todo="$r/bin/xl $r/bin/xenstored $r/bin/xenconsoled $r/bin/xen-init-dom0"
	[ ! -e "$r/bin/xenstore-write" ] || todo="$todo $r/bin/xenstore-write"
	need="libgcc_s.so.1" # pthread_cancel loads it by name
	while [ -n "$todo$need" ]; do
		for f in $todo; do
			need="$need $(readelf -d "$f" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | tr '\n' ' ')"
		done
		todo=""
		for l in $need; do
			[ ! -e "$r/lib/$l" ] && [ "$l" != ld-linux-x86-64.so.2 ] || continue
			for d in $libs; do
				[ -e "$d/$l" ] || continue
				cp -L "$d/$l" "$r/lib/"
				todo="$todo $r/lib/$l"
				break
			done
			[ -e "$r/lib/$l" ] || { echo "oracle-root: no $l" >&2; exit 1; }
		done
		need=""
	done
	find "$r" -exec touch -h -d @0 {} +
	(cd "$r" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0 | gzip -n1) >"$root.tmp"
	mv "$root.tmp" "$root"

	python3 - "$(find "$tmp/all/boot" -name 'vmlinuz-*')" "$vmlinux" <<'PY'
import lzma, sys
data = open(sys.argv[1], "rb").read()
at = data.index(b"\xfd7zXZ\0")
open(sys.argv[2], "wb").write(lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data[at:]))
PY
fi
ln -sfn "cache/$(basename "$root")" "$dir/oracle-root.cpio.gz"
ln -sfn "cache/$(basename "$vmlinux")" "$dir/vmlinux-generic"
