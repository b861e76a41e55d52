#!/bin/sh
# Build a whole Debian 12 as dom0's disk: systemd, Debian's own Xen 4.17 tools and kernel, nothing of ours. Made once for each list of package versions.
#
#   dom0-disk.sh DIR
#
# The disk has /guests: Debian's two kernels and one initramfs with their block and network front ends (scripts/dom0-guest-init).
#
# leaves in DIR: dom0-disk.img (ext4, to be used with snapshot=on), dom0-vmlinuz, dom0-initrd. At boot the unit `trial` runs /trial/run from the
# archive found on the disk with the serial number "trial", as root, its output on hvc0; without such a disk hvc0 has a root shell.
set -eu

dir=$1
mkdir -p "$dir/cache"
dir=$(cd "$dir" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
include="systemd systemd-sysv udev kmod iproute2 bridge-utils iputils-ping procps xen-utils-4.17 xen-utils-common xenstore-utils
 initramfs-tools busybox-static netcat-openbsd linux-image-amd64"
kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)

key=$(apt-cache policy $include "$kernel" libc6 | grep -E '^[a-z]|Candidate' | cat - "$0" "$here/debian-disk.sh" "$here/dom0-guest-init" | sha256sum | cut -c1-16)
disk="$dir/cache/dom0-disk_$key"
if [ ! -s "$disk.img" ] || [ ! -s "$disk.initrd" ] || [ ! -s "$disk.vmlinuz" ]; then
	tmp=$(mktemp -d "$dir/cache/dom0.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	echo "dom0-disk: installing Debian into $(basename "$disk").img" >&2
	# What the guests boot.
	mkdir -p "$tmp/debs" "$tmp/all" "$tmp/guests" "$tmp/initramfs/bin" "$tmp/initramfs/modules"
	for d in dev proc sys tmp; do mkdir "$tmp/initramfs/$d"; done
	cloud=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
	(cd "$tmp/debs" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" "$cloud" >/dev/null)
	for deb in "$tmp"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tmp/all" --wildcards './lib/modules/*/kernel/drivers/net/xen-netfront.ko' \
			'./lib/modules/*/kernel/drivers/block/xen-blkfront.ko' './boot/vmlinuz-*'
	done
	for k in "$tmp"/all/lib/modules/*; do
		mkdir "$tmp/initramfs/modules/$(basename "$k")"
		find "$k" -name '*.ko' -exec cp {} "$tmp/initramfs/modules/$(basename "$k")/" \;
	done
	cp "$(command -v busybox)" "$tmp/initramfs/bin/busybox"
	cp "$here/dom0-guest-init" "$tmp/initramfs/init"
	chmod 755 "$tmp/initramfs/init" "$tmp/initramfs/bin/busybox"
	(cd "$tmp/initramfs" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -9) >"$tmp/guests/initramfs.gz"
	cp "$tmp"/all/boot/vmlinuz-*-cloud-amd64 "$tmp/guests/vmlinuz-cloud"
	cp "$tmp/all/boot/vmlinuz-${kernel#linux-image-}" "$tmp/guests/vmlinuz-generic"
	cat >"$tmp/trial.service" <<-END
		[Unit]
		Description=What is to be tried on this machine
		After=multi-user.target xen.service
		[Service]
		Type=oneshot
		ExecStart=/usr/local/sbin/trial
		StandardOutput=tty
		StandardError=tty
		TTYPath=/dev/hvc0
		[Install]
		WantedBy=multi-user.target
	END
	cat >"$tmp/trial" <<-'END'
		#!/bin/sh
		disk=$(readlink -f /dev/disk/by-id/*trial* 2>/dev/null | head -n 1)
		[ -b "$disk" ] || exec /bin/bash --login </dev/hvc0
		mkdir -p /trial
		tar -x -C /trial -f "$disk"
		cd /trial
		echo "TRIAL begin"
		sh ./run
		echo "TRIAL end $?"
		systemctl poweroff
	END
	sh "$here/debian-disk.sh" "$disk" dom0 1500M "$include" \
		--customize-hook="copy-in $tmp/trial /usr/local/sbin" \
		--customize-hook="copy-in $tmp/trial.service /etc/systemd/system" \
		--customize-hook="copy-in $tmp/guests /" \
		--customize-hook='chmod 755 "$1/usr/local/sbin/trial"' \
		--customize-hook='chroot "$1" systemctl enable trial.service' \
		--customize-hook='chroot "$1" systemctl mask getty@tty1.service serial-getty@hvc0.service apt-daily.timer apt-daily-upgrade.timer'
fi
ln -sfn "cache/$(basename "$disk").img" "$dir/dom0-disk.img"
ln -sfn "cache/$(basename "$disk").initrd" "$dir/dom0-initrd"
ln -sfn "cache/$(basename "$disk").vmlinuz" "$dir/dom0-vmlinuz"
