#!/bin/sh
# Fetch what `make bench` loads into Debian's kernels: back ends for dom0's, front ends for the guest's.
#
#   bench-modules.sh DIR
#
# leaves in DIR: bench-modules/dom0, bench-modules/domu
set -eu

dir=$1
mkdir -p "$dir/cache"
dir=$(cd "$dir" && pwd)
current() {
	apt-cache depends "$1" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}
generic=$(current linux-image-amd64)
cloud=$(current linux-image-cloud-amd64)
key=$(apt-cache policy "$generic" "$cloud" | grep -E '^[a-z]|Candidate' | cat - "$0" | sha256sum | cut -c1-16)
out="$dir/cache/bench-modules_$key"
if [ ! -d "$out" ]; then
	tmp=$(mktemp -d "$dir/cache/bench.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	echo "bench-modules: fetching Debian's back ends and front ends" >&2
	mkdir -p "$tmp/out"
	# fetch PACKAGE FOLDER MODULE...
	fetch() {
		package=$1 folder=$2
		shift 2
		mkdir "$tmp/$folder" "$tmp/out/$folder"
		(cd "$tmp/$folder" && apt-get -qq -o APT::Sandbox::User=root download "$package" >/dev/null)
		dpkg-deb --fsys-tarfile "$tmp/$folder"/*.deb | tar -x -C "$tmp/$folder" --wildcards './lib/modules/*/kernel/drivers/*'
		for m; do
			cp "$(find "$tmp/$folder/lib" -name "$m.ko")" "$tmp/out/$folder/"
		done
	}
	fetch "$generic" dom0 brd xen-blkback xen-netback
	fetch "$cloud" domu xen-blkfront xen-netfront
	mv "$tmp/out" "$out"
fi
ln -sfn "cache/$(basename "$out")" "$dir/bench-modules"
