#!/bin/sh
# Build the initramfs of a dom0 that drives the machine's devices: busybox, the drivers of Debian's kernel that scripts/dom0-devices-init
# loads, with whatever they depend on, in the order to load them.
#
#   dom0-devices.sh DIR
#
# leaves in DIR: dom0-devices.cpio.gz
set -eu

dir=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir/cache"
dir=$(cd "$dir" && pwd)
drivers="virtio_pci virtio_blk virtio_net ahci sd_mod nvme xhci_pci usb_storage e1000e"
kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)

key=$(apt-cache policy "$kernel" busybox-static | grep -E '^[a-z]|Candidate' | cat - "$0" "$here/dom0-devices-init" | sha256sum | cut -c1-16)
root="$dir/cache/dom0-devices_$key.cpio.gz"
if [ ! -s "$root" ]; then
	tmp=$(mktemp -d "$dir/cache/devices.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	echo "dom0-devices: fetching Debian's drivers" >&2
	mkdir "$tmp/debs" "$tmp/all" "$tmp/root"
	(cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" >/dev/null)
	dpkg-deb --fsys-tarfile "$tmp"/debs/*.deb | tar -x -C "$tmp/all" --wildcards './lib/modules/*/kernel/*'
	r=$tmp/root
	for d in bin dev proc sys tmp modules; do
		mkdir "$r/$d"
	done
	# shellcheck disable=SC2086
	python3 - "$tmp/all" "$r/modules" $drivers <<'PY'
import pathlib, re, shutil, sys

every = {p.stem.replace("-", "_"): p for p in pathlib.Path(sys.argv[1]).rglob("*.ko")}
order = []


def add(name):
    path = every.get(name)
    if path is None or name in order:
        return
    found = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
    for need in found[1].decode().split(",") if found and found[1] else []:
        add(need.replace("-", "_"))
    order.append(name)


for name in sys.argv[3:]:
    add(name)
for name in order:
    shutil.copy(every[name], pathlib.Path(sys.argv[2]) / f"{name}.ko")
(pathlib.Path(sys.argv[2]) / "order").write_text("\n".join(order) + "\n")
PY
	cp "$(command -v busybox)" "$r/bin/busybox"
	for a in sh mount cat echo insmod mkdir sleep poweroff sed grep ls readlink basename ip ping md5sum dd cut dmesg head devmem; do
		ln -s busybox "$r/bin/$a"
	done
	cp "$here/dom0-devices-init" "$r/init"
	chmod 755 "$r/init" "$r/bin/busybox"
	find "$r" -exec touch -h -d @0 {} +
	(cd "$r" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0 | gzip -n1) >"$root.tmp"
	mv "$root.tmp" "$root"
fi
ln -sfn "cache/$(basename "$root")" "$dir/dom0-devices.cpio.gz"
