#!/bin/sh
# Fetch Debian's unmodified clients of xl: Pacemaker's resource agent and Ganeti's hypervisor module, into DIR/xl-clients (a root, nothing is installed).
#
#   xl-clients.sh DIR
set -eu

dir=$1
mkdir -p "$dir/cache"
dir=$(cd "$dir" && pwd)
packages="resource-agents ganeti-3.0"
key=$(apt-cache policy $packages | grep -E '^[a-z]|Candidate' | cat - "$0" | sha256sum | cut -c1-16)
root="$dir/cache/xl-clients_$key"
if [ ! -d "$root" ]; then
	tmp=$(mktemp -d "$dir/cache/clients.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	echo "xl-clients: fetching Pacemaker's agent and Ganeti" >&2
	mkdir "$tmp/debs" "$tmp/root"
	(cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User=root download $packages >/dev/null)
	for deb in "$tmp"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tmp/root" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*'
	done
	chmod 755 "$tmp/root"
	mv "$tmp/root" "$root"
fi
ln -sfn "cache/$(basename "$root")" "$dir/xl-clients"
