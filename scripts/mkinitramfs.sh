#!/bin/sh
# Build the guests' initramfs: Debian's static busybox and one init script. Same inputs, same bytes.
set -eu
out=$1
here=$(dirname "$0")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/bin" "$tmp/sbin" "$tmp/dev" "$tmp/proc" "$tmp/sys" "$tmp/tmp"
cp "$(command -v busybox)" "$tmp/bin/busybox"
cp "$here/guest-init" "$tmp/init"
chmod 755 "$tmp/init" "$tmp/bin/busybox"
# What the kernel runs when a toolstack asks for the end.
printf '#!/bin/sh\nexec /bin/poweroff -f\n' >"$tmp/sbin/poweroff"
printf '#!/bin/sh\nexec /bin/reboot -f\n' >"$tmp/sbin/reboot"
chmod 755 "$tmp/sbin/poweroff" "$tmp/sbin/reboot"
for applet in sh mount cat echo ls poweroff reboot sleep uname grep nproc dmesg sed head date usleep ps free seq taskset devmem; do
	ln -s busybox "$tmp/bin/$applet"
done
find "$tmp" -exec touch -h -d @0 {} +
(cd "$tmp" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0 | gzip -n9) >"$out.tmp"
mv "$out.tmp" "$out"
