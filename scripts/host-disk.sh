#!/bin/sh
# Build a Debian 12 as an administrator has it who wants to make a host of it: kernel, GRUB's tools, two init systems (sysvinit as /sbin/init,
# systemd by init=), and nothing of Xen. Made once for each list of package versions.
#
#   host-disk.sh DIR
#
# leaves in DIR: host-disk.img (ext4, to be used with snapshot=on). /usr/local/sbin/trial runs /trial/run from the archive on the disk with the
# serial number "trial", as root, once the machine is up; as the kernel's init= it does so before anything else runs.
set -eu

dir=$1
mkdir -p "$dir/cache"
dir=$(cd "$dir" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
include="systemd sysvinit-core udev kmod iproute2 procps initramfs-tools busybox-static linux-image-amd64 grub2-common
 libjson-c5 libncurses6 libbz2-1.0 liblz4-1 liblzma5 libzstd1 zlib1g"
kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)

key=$(apt-cache policy $include "$kernel" libc6 | grep -E '^[a-z]|Candidate' | cat - "$0" "$here/debian-disk.sh" | sha256sum | cut -c1-16)
disk="$dir/cache/host-disk_$key"
if [ ! -s "$disk.img" ]; then
	tmp=$(mktemp -d "$dir/cache/host.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	echo "host-disk: installing Debian into $(basename "$disk").img" >&2
	cat >"$tmp/trial.service" <<-END
		[Unit]
		Description=What is to be tried on this machine
		After=multi-user.target
		[Service]
		ExecStart=/usr/local/sbin/trial
		StandardOutput=tty
		StandardError=tty
		TTYPath=/dev/hvc0
		[Install]
		WantedBy=multi-user.target
	END
	cat >"$tmp/trial" <<-'END'
		#!/bin/sh
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin
		if [ $$ = 1 ]; then
			mount -t proc proc /proc 2>/dev/null
			mount -t sysfs sys /sys 2>/dev/null
			mount -t tmpfs tmpfs /run 2>/dev/null
			mount -o remount,rw /
		fi
		disk=$(readlink -f /dev/disk/by-id/*trial* 2>/dev/null | head -n 1)
		[ -b "$disk" ] || exec /bin/bash --login </dev/hvc0
		mkdir -p /trial
		tar -x -C /trial -f "$disk"
		cd /trial
		exec sh ./run
	END
	echo 't0:2345:once:/usr/local/sbin/trial </dev/hvc0 >/dev/hvc0 2>&1' >"$tmp/inittab"
	sh "$here/debian-disk.sh" "$disk" dom0 1500M "$include" \
		--customize-hook="copy-in $tmp/trial /usr/local/sbin" --customize-hook='chmod 755 "$1/usr/local/sbin/trial"' \
		--customize-hook="copy-in $tmp/trial.service /etc/systemd/system" --customize-hook='chroot "$1" systemctl enable trial.service' \
		--customize-hook='chroot "$1" systemctl mask getty@tty1.service serial-getty@hvc0.service apt-daily.timer apt-daily-upgrade.timer' \
		--customize-hook="sed -i '/getty/d' \"\$1/etc/inittab\"; cat $tmp/inittab >>\"\$1/etc/inittab\"" \
		--customize-hook='mkdir -p "$1/boot/grub"'
	rm "$disk.vmlinuz" "$disk.initrd"
fi
ln -sfn "cache/$(basename "$disk").img" "$dir/host-disk.img"
