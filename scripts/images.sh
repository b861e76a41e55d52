#!/bin/sh
# Fetch Debian's current kernels (and, for the oracle, its Xen) and build the guests' initramfs and whole Debians' disks below $1.
# What is there already and still current is kept: files are named by package version.
#
#   images.sh DIR kernels|oracle|debian
#
# leaves in DIR: vmlinuz-generic, vmlinuz-cloud, initramfs.gz, dom0-devices.cpio.gz, xen (links to versioned files).
set -eu

dir=$1 what=${2:-kernels}
here=$(dirname "$0")
mkdir -p "$dir/cache"

# The package a meta package depends on now.
current() {
	apt-cache depends "$1" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

# extract NAME PACKAGE PATTERN: put the file matching PATTERN of PACKAGE at $dir/NAME.
extract() {
	version=$(apt-cache policy "$2" | sed -n 's/^ *Candidate: //p')
	file="$dir/cache/$2_$(echo "$version" | tr ':/' '__')"
	if [ ! -s "$file" ]; then
		echo "images: fetching $2 $version" >&2
		tmp=$(mktemp -d "$dir/cache/fetch.XXXXXX")
		(cd "$tmp" && apt-get -qq -o APT::Sandbox::User=root download "$2" >/dev/null)
		dpkg-deb --fsys-tarfile "$tmp"/*.deb | tar -x -C "$tmp" --wildcards "$3"
		mv "$(find "$tmp/boot" -type f | head -n 1)" "$file"
		rm -rf "$tmp"
	fi
	ln -sfn "cache/$(basename "$file")" "$dir/$1"
}

if [ -z "$(current linux-image-amd64)" ]; then
	echo "images: no package lists yet: apt-get update" >&2
	if [ "$(id -u)" = 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi
fi

case $what in
kernels)
	extract vmlinuz-generic "$(current linux-image-amd64)" './boot/vmlinuz-*'
	extract vmlinuz-cloud "$(current linux-image-cloud-amd64)" './boot/vmlinuz-*'
	"$here/mkinitramfs.sh" "$dir/initramfs.gz"
	sh "$here/dom0-devices.sh" "$dir"
	;;
oracle)
	extract xen.gz xen-hypervisor-4.17-amd64 './boot/xen-4.17-amd64.gz'
	gzip -dc "$dir/xen.gz" >"$dir/xen.tmp" && mv "$dir/xen.tmp" "$dir/xen"
	sh "$here/oracle-root.sh" "$dir"
	;;
debian)
	# Files with owners and device nodes: root's work.
	for disk in dom0 host; do
		if [ "$(id -u)" = 0 ]; then sh "$here/$disk-disk.sh" "$dir"; else sudo sh "$here/$disk-disk.sh" "$dir"; fi
	done
	;;
*)
	echo "images: unknown set '$what': kernels, oracle or debian" >&2
	exit 2
	;;
esac
