#!/bin/sh
# Build a Debian 12 disk for a machine under test, with the drivers such a machine can need and no others.
#
#   debian-disk.sh DISK NAME SIZE "PACKAGE..." [OPTION OF MMDEBSTRAP]...
#
# leaves DISK.img (ext4 without partitions, NAME its label and the host's name), DISK.vmlinuz, DISK.initrd. root has no password.
set -eu

disk=$1 name=$2 size=$3 packages=$4
shift 4
tmp=$(mktemp -d "$(dirname "$disk")/debian.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/modules" <<-END
	virtio_pci
	virtio_blk
	ahci
	sd_mod
	nvme
	ext4
END
for d in gpu media net/wireless infiniband iio staging isdn; do set -- "--dpkgopt=path-exclude=/lib/modules/*/kernel/drivers/$d/*" "$@"; done
for d in /usr/share/doc /usr/share/man /usr/share/locale '/lib/modules/*/kernel/sound'; do set -- "--dpkgopt=path-exclude=$d/*" "$@"; done
mmdebstrap --quiet --mode=root --variant=minbase --include="$(echo $packages | tr ' ' ',')" --aptopt='Acquire::Languages "none"' \
	--customize-hook="copy-in $tmp/modules /etc/initramfs-tools" \
	--customize-hook='sed -i "s/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=lz4/" "$1/etc/initramfs-tools/initramfs.conf"' \
	--customize-hook='chroot "$1" passwd -d root' \
	--customize-hook="echo $name >\"\$1/etc/hostname\"; echo \"127.0.0.1 localhost $name\" >\"\$1/etc/hosts\"" \
	--customize-hook="echo \"/dev/disk/by-label/$name / ext4 noatime 0 1\" >\"\$1/etc/fstab\"" \
	"$@" --customize-hook='chroot "$1" update-initramfs -u -k all' \
	bookworm "$tmp/root" "deb http://deb.debian.org/debian bookworm main" "deb http://deb.debian.org/debian-security bookworm-security main"
cp "$(ls "$tmp"/root/boot/vmlinuz-* | head -n 1)" "$disk.vmlinuz"
cp "$(ls "$tmp"/root/boot/initrd.img-* | head -n 1)" "$disk.initrd"
truncate -s "$size" "$tmp/img"
mke2fs -q -t ext4 -L "$name" -m 0 -d "$tmp/root" "$tmp/img"
mv "$tmp/img" "$disk.img"
