#!/bin/sh
# The RPM package: the same files with the same bytes as `make install` puts there for systemd, and none left once it is erased.
set -eu
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
make -s BUILD="$BUILD" DISTDIR="$tmp" rpmball
make -s BUILD="$BUILD" DESTDIR="$tmp/installed" INIT=systemd install
package=$(find "$tmp/rpm" -name 'hospes-*.x86_64.rpm')
[ "$(rpm -qp --qf '%{NAME} %{LICENSE} %{BUILDHOST}' "$package")" = "hospes MIT hospes" ]
rpm -qp --requires "$package" | grep -q '^libjson-c\.so' # it knows what its programs are linked with
rpm -qp --configfiles "$package" | grep -qx /etc/xen/xl.conf
for part in post preun postun; do rpm -qp --qf "%{${part}in}\n" "$package" >"$tmp/script" 2>/dev/null && sh -n "$tmp/script"; done

# No script runs, and what it needs need not be there: this is not a system.
on() { rpm --root "$tmp/root" --dbpath /db --nodeps --noscripts --notriggers "$@"; }
mkdir "$tmp/root"
on -i "$package"
list() { (cd "$1" && find . -not -type d -not -path './db/*' -printf '%m %P %l\n' | LC_ALL=C sort -k2); }
list "$tmp/installed" >"$tmp/want"
list "$tmp/root" >"$tmp/got"
diff "$tmp/want" "$tmp/got"
(cd "$tmp/installed" && find . -type f -exec cmp {} "$tmp/root/{}" \;)
on -V hospes
on -e hospes
left=$(cd "$tmp/root" && find . -not -path './db*' \( -not -type d -o -name '*xen*' -o -name '*hospes*' \))
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
echo "$(wc -l <"$tmp/want") files installed and erased"
