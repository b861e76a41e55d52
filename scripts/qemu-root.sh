#!/bin/sh
# Fetch Debian's QEMU for Xen, its qemu-img, and the libraries of theirs that dom0's disk (dom0-disk.sh) has not, into DIR/qemu-root: the programs, and
# the libraries in lib. Nothing is installed.
#
#   qemu-root.sh DIR
set -eu

dir=$1
dir=$(cd "$dir" && pwd)
tmp=$(mktemp -d "$dir/cache/qemu.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
PATH=$PATH:/usr/sbin debugfs -R 'cat /var/lib/dpkg/status' "$dir/dom0-disk.img" >"$tmp/status" 2>/dev/null
missing=$(apt-get -qq -s -o Dir::State::status="$tmp/status" install --no-install-recommends qemu-system-xen qemu-utils | awk '$1 == "Inst" { print $2 }')
[ -n "$missing" ] || { echo "qemu-root: Debian's packages do not fit dom0's disk: run apt-get update" >&2; exit 1; }
key=$(apt-cache policy $missing | grep -E '^[a-z]|Candidate' | cat - "$0" | sha256sum | cut -c1-16)
root="$dir/cache/qemu-root_$key"
if [ ! -d "$root" ]; then
	echo "qemu-root: fetching Debian's QEMU" >&2
	mkdir "$tmp/debs" "$tmp/all" "$tmp/root" "$tmp/root/lib"
	(cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User=root download $missing >/dev/null)
	for deb in "$tmp"/debs/*.deb; do dpkg-deb -x "$deb" "$tmp/all"; done
	cp "$tmp/all/usr/libexec/xen-qemu-system-i386" "$tmp/all/usr/bin/qemu-img" "$tmp/root/"
	find "$tmp"/all/lib/x86_64-linux-gnu "$tmp"/all/usr/lib/x86_64-linux-gnu -maxdepth 1 -name 'lib*.so*' -exec cp -P {} "$tmp/root/lib/" \;
	chmod 755 "$tmp/root"
	mv "$tmp/root" "$root"
fi
ln -sfn "cache/$(basename "$root")" "$dir/qemu-root"
