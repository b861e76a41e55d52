#!/bin/sh
# Style and shape that a machine can judge. Prints each offence; exit 1 if there was one.
set -u
cd "$(dirname "$0")/.."
bad=0
offence() { echo "lint: $*"; bad=1; }

# Each header compiles alone, for the machine and (arch-free ones) for the host.
for h in $(git ls-files 'abi/*.h' 'hv/include/hv/*.h' 'hv/arch/x86/include/asm/*.h' 'hv/arch/x86/*.h' 'hv/arch/x86/*/*.h' 'hv/launch/*.h'); do
	echo "#include \"$h\"" | gcc -std=gnu17 -ffreestanding -Wall -Wextra -Werror -fsyntax-only -mgeneral-regs-only \
		-Ihv/include -Ihv/arch/x86/include -Ihv/arch/x86 -I. -iquote abi -x c - 2>/tmp/lint.$$ ||
		{ offence "$h does not compile alone"; head -n 5 /tmp/lint.$$; }
done
for h in $(git ls-files 'hv/include/hv/*.h'); do
	echo "#include \"$h\"" | gcc -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -Ihv/include -Ihv/arch/host/include -I. -iquote abi -x c - \
		2>/tmp/lint.$$ || { offence "$h does not compile alone on the host"; head -n 5 /tmp/lint.$$; }
done
rm -f /tmp/lint.$$

# No architecture conditional outside hv/arch, no C file included, no unfinished marks.
git grep -nE '^#\s*(if|ifdef|ifndef|elif).*(__x86_64__|__i386__|__aarch64__|CONFIG_X86)' -- 'hv/*.[ch]' ':!hv/arch' && offence "arch conditional outside hv/arch"
git grep -nE '#include *"[^"]*\.c"' -- '*.[ch]' && offence "a .c file is included"
git grep -nE '\b(TODO|FIXME|XXX|HACK)\b' -- '*.[chS]' '*.py' '*.sh' '*.mk' Makefile ':!scripts/lint.sh' && offence "unfinished marks"
git grep -nE '[[:space:]]+$' -- '*.[chS]' '*.py' '*.sh' '*.mk' Makefile && offence "trailing white space"
for f in $(git ls-files '*.c'); do
	n=$(wc -l <"$f")
	[ "$n" -le 1000 ] || offence "$f has $n lines: more than one concept?"
done

# Formatting is clang-format's business.
if command -v clang-format >/dev/null; then
	git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2>/tmp/lint.$$ || {
		offence "clang-format: run 'make format'"
		grep -o '^[^:]*:[0-9]*' /tmp/lint.$$ | cut -d: -f1 | sort | uniq -c | head -n 20
	}
	rm -f /tmp/lint.$$
fi
exit $bad
