#!/bin/sh
# Fetch what `make run` and `make bench` load into Debian's kernels: what serves guests for dom0's, front ends for the guest's.
#
#   pv-modules.sh DIR
#
# leaves in DIR: pv-modules/dom0, pv-modules/domu
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
out="$dir/cache/pv-modules_$key"
if [ ! -d "$out" ]; then
	tmp=$(mktemp -d "$dir/cache/modules.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	echo "pv-modules: fetching Debian's back ends and front ends" >&2
	mkdir -p "$tmp/out"
	# fetch PACKAGE FOLDER MODULE...
	fetch() {
		package=$1 folder=$2
		shift 2
		mkdir "$tmp/$folder" "$tmp/out/$folder"
		(cd "$tmp/$folder" && apt-get -qq -o APT::Sandbox::User=root download "$package" >/dev/null)
		dpkg-deb --fsys-tarfile "$tmp/$folder"/*.deb | tar -x -C "$tmp/$folder" --wildcards './lib/modules/*/kernel/drivers/*' './lib/modules/*/kernel/net/*'
		for m; do
			cp "$(find "$tmp/$folder/lib" -name "$m.ko")" "$tmp/out/$folder/"
		done
	}
	fetch "$generic" dom0 brd xen-blkback xen-netback xen-evtchn xen-gntdev xen-privcmd xenfs loop stp llc bridge
	fetch "$cloud" domu xen-blkfront xen-netfront
	mv "$tmp/out" "$out"
fi
ln -sfn "cache/$(basename "$out")" "$dir/pv-modules"
