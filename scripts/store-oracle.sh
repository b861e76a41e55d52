#!/bin/sh
# Fetch Debian's unmodified toolstack, store daemons, xenstore tools, libxenstore and pyxs into DIR/store-oracle (a root, nothing is installed).
#
#   store-oracle.sh DIR
set -eu

dir=$1
mkdir -p "$dir/cache"
dir=$(cd "$dir" && pwd)
packages="xen-utils-4.17 xen-utils-common libxenmisc4.17 libxenstore4 libxentoolcore1 libxencall1 libxenevtchn1 libxengnttab1 libxendevicemodel1
 libxenforeignmemory1 libxentoollog1 libxenhypfs1 xenstore-utils libyajl2 libfdt1 python3-pyxs"
key=$(apt-cache policy $packages | grep -E '^[a-z]|Candidate' | cat - "$0" | sha256sum | cut -c1-16)
root="$dir/cache/store-oracle_$key"
if [ ! -d "$root" ]; then
	tmp=$(mktemp -d "$dir/cache/store.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	echo "store-oracle: fetching Debian's store daemons and tools" >&2
	mkdir "$tmp/debs" "$tmp/root"
	(cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User=root download $packages >/dev/null)
	for deb in "$tmp"/debs/*.deb; do
		dpkg-deb -x "$deb" "$tmp/root"
	done
	chmod 755 "$tmp/root"
	mv "$tmp/root" "$root"
fi
ln -sfn "cache/$(basename "$root")" "$dir/store-oracle"
