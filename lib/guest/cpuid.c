#include "guest/cpuid.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name of libxl's: one bit, or a field of several. */
struct name {
	const char *name;
	uint32_t leaf, sub;
	uint8_t reg, bit, len;
};

#define L1C(n, b) \
	{ \
		n, 1, 0, CPUID_C, b, 1 \
	}
#define L1D(n, b) \
	{ \
		n, 1, 0, CPUID_D, b, 1 \
	}
#define L7B(n, b) \
	{ \
		n, 7, 0, CPUID_B, b, 1 \
	}
#define L7C(n, b) \
	{ \
		n, 7, 0, CPUID_C, b, 1 \
	}
#define L7D(n, b) \
	{ \
		n, 7, 0, CPUID_D, b, 1 \
	}
#define L71A(n, b) \
	{ \
		n, 7, 1, CPUID_A, b, 1 \
	}
#define LDA(n, b) \
	{ \
		n, 0xd, 1, CPUID_A, b, 1 \
	}
#define E1C(n, b) \
	{ \
		n, 0x80000001, 0, CPUID_C, b, 1 \
	}
#define E1D(n, b) \
	{ \
		n, 0x80000001, 0, CPUID_D, b, 1 \
	}
#define E8B(n, b) \
	{ \
		n, 0x80000008, 0, CPUID_B, b, 1 \
	}
#define EAD(n, b) \
	{ \
		n, 0x8000000a, 0, CPUID_D, b, 1 \
	}

static const struct name names[] = {
	{ "maxleaf", 0, 0, CPUID_A, 0, 32 },
	{ "brandid", 1, 0, CPUID_B, 0, 8 },
	{ "clflush", 1, 0, CPUID_B, 8, 8 },
	{ "proccount", 1, 0, CPUID_B, 16, 8 },
	{ "localapicid", 1, 0, CPUID_B, 24, 8 },
	{ "stepping", 1, 0, CPUID_A, 0, 4 },
	L1C("sse3", 0),
	L1C("pni", 0),
	L1C("pclmulqdq", 1),
	L1C("dtes64", 2),
	L1C("monitor", 3),
	L1C("dscpl", 4),
	L1C("ds_cpl", 4),
	L1C("vmx", 5),
	L1C("smx", 6),
	L1C("est", 7),
	L1C("tm2", 8),
	L1C("ssse3", 9),
	L1C("cntxid", 10),
	L1C("cid", 10),
	L1C("fma", 12),
	L1C("cmpxchg16", 13),
	L1C("cx16", 13),
	L1C("xtpr", 14),
	L1C("pdcm", 15),
	L1C("pcid", 17),
	L1C("dca", 18),
	L1C("sse4_1", 19),
	L1C("sse4.1", 19),
	L1C("sse4_2", 20),
	L1C("sse4.2", 20),
	L1C("x2apic", 21),
	L1C("movbe", 22),
	L1C("popcnt", 23),
	L1C("tsc-deadline", 24),
	L1C("tsc_deadline_timer", 24),
	L1C("aes", 25),
	L1C("xsave", 26),
	L1C("osxsave", 27),
	L1C("avx", 28),
	L1C("f16c", 29),
	L1C("rdrand", 30),
	L1C("hypervisor", 31),
	L1D("fpu", 0),
	L1D("vme", 1),
	L1D("de", 2),
	L1D("pse", 3),
	L1D("tsc", 4),
	L1D("msr", 5),
	L1D("pae", 6),
	L1D("mce", 7),
	L1D("cmpxchg8", 8),
	L1D("cx8", 8),
	L1D("apic", 9),
	L1D("sysenter", 11),
	L1D("sep", 11),
	L1D("mtrr", 12),
	L1D("pge", 13),
	L1D("mca", 14),
	L1D("cmov", 15),
	L1D("pat", 16),
	L1D("pse36", 17),
	L1D("psn", 18),
	L1D("pn", 18),
	L1D("clfsh", 19),
	L1D("ds", 21),
	L1D("dts", 21),
	L1D("acpi", 22),
	L1D("mmx", 23),
	L1D("fxsr", 24),
	L1D("sse", 25),
	L1D("sse2", 26),
	L1D("ss", 27),
	L1D("htt", 28),
	L1D("ht", 28),
	L1D("tm", 29),
	L1D("ia64", 30),
	L1D("pbe", 31),
	{ "arat", 6, 0, CPUID_A, 2, 1 },
	L7B("fsgsbase", 0),
	L7B("tsc_adjust", 1),
	L7B("bmi1", 3),
	L7B("hle", 4),
	L7B("avx2", 5),
	L7B("smep", 7),
	L7B("bmi2", 8),
	L7B("erms", 9),
	L7B("invpcid", 10),
	L7B("rtm", 11),
	L7B("cmt", 12),
	L7B("mpx", 14),
	L7B("avx512f", 16),
	L7B("avx512dq", 17),
	L7B("rdseed", 18),
	L7B("adx", 19),
	L7B("smap", 20),
	L7B("avx512-ifma", 21),
	L7B("clflushopt", 23),
	L7B("clwb", 24),
	L7B("proc-trace", 25),
	L7B("avx512pf", 26),
	L7B("avx512er", 27),
	L7B("avx512cd", 28),
	L7B("sha", 29),
	L7B("avx512bw", 30),
	L7B("avx512vl", 31),
	L7C("prefetchwt1", 0),
	L7C("avx512-vbmi", 1),
	L7C("umip", 2),
	L7C("pku", 3),
	L7C("ospke", 4),
	L7C("avx512-vbmi2", 6),
	L7C("cet-ss", 7),
	L7C("gfni", 8),
	L7C("vaes", 9),
	L7C("vpclmulqdq", 10),
	L7C("avx512-vnni", 11),
	L7C("avx512-bitalg", 12),
	L7C("avx512-vpopcntdq", 14),
	L7C("rdpid", 22),
	L7C("cldemote", 25),
	L7C("pks", 31),
	L7D("avx512-4vnniw", 2),
	L7D("avx512-4fmaps", 3),
	L7D("fsrm", 4),
	L7D("avx512-vp2intersect", 8),
	L7D("srbds-ctrl", 9),
	L7D("md-clear", 10),
	L7D("serialize", 14),
	L7D("tsxldtrk", 16),
	L7D("cet-ibt", 20),
	L7D("avx512-fp16", 23),
	L7D("ibrsb", 26),
	L7D("stibp", 27),
	L7D("l1d-flush", 28),
	L7D("arch-caps", 29),
	L7D("core-caps", 30),
	L7D("ssbd", 31),
	L71A("avx-vnni", 4),
	L71A("avx512-bf16", 5),
	L71A("fzrm", 10),
	L71A("fsrs", 11),
	L71A("fsrcs", 12),
	LDA("xsaveopt", 0),
	LDA("xsavec", 1),
	LDA("xgetbv1", 2),
	LDA("xsaves", 3),
	E1C("lahfsahf", 0),
	E1C("lahf_lm", 0),
	E1C("cmplegacy", 1),
	E1C("cmp_legacy", 1),
	E1C("svm", 2),
	E1C("extapic", 3),
	E1C("altmovcr8", 4),
	E1C("cr8_legacy", 4),
	E1C("abm", 5),
	E1C("sse4a", 6),
	E1C("misalignsse", 7),
	E1C("3dnowprefetch", 8),
	E1C("osvw", 9),
	E1C("ibs", 10),
	E1C("xop", 11),
	E1C("skinit", 12),
	E1C("wdt", 13),
	E1C("lwp", 15),
	E1C("fma4", 16),
	E1C("tce", 17),
	E1C("nodeid", 19),
	E1C("nodeid_msr", 19),
	E1C("tbm", 21),
	E1C("topoext", 22),
	E1C("perfctr_core", 23),
	E1C("perfctr_nb", 24),
	E1D("syscall", 11),
	E1D("procpkg", 19),
	E1D("mp", 19),
	E1D("nx", 20),
	E1D("mmxext", 22),
	E1D("ffxsr", 25),
	E1D("page1gb", 26),
	E1D("rdtscp", 27),
	E1D("lm", 29),
	E1D("3dnowext", 30),
	E1D("3dnow", 31),
	{ "invtsc", 0x80000007, 0, CPUID_D, 8, 1 },
	E8B("clzero", 0),
	E8B("rstr-fp-err-ptrs", 2),
	E8B("wbnoinvd", 9),
	E8B("ibpb", 12),
	E8B("ibrs", 14),
	E8B("amd-stibp", 15),
	E8B("ibrs-always", 16),
	E8B("stibp-always", 17),
	E8B("ibrs-fast", 18),
	E8B("ibrs-same-mode", 19),
	E8B("no-lmsl", 20),
	E8B("ppin", 23),
	E8B("amd-ssbd", 24),
	E8B("virt-ssbd", 25),
	E8B("ssb-no", 26),
	E8B("psfd", 28),
	E8B("btc-no", 29),
	{ "nc", 0x80000008, 0, CPUID_C, 0, 8 },
	{ "apicidsize", 0x80000008, 0, CPUID_C, 12, 4 },
	EAD("svm_npt", 0),
	EAD("npt", 0),
	EAD("svm_lbrv", 1),
	EAD("lbrv", 1),
	EAD("svm_nrips", 3),
	EAD("nrip_save", 3),
	EAD("svm_tscrate", 4),
	EAD("tsc_scale", 4),
	EAD("svm_vmcbclean", 5),
	EAD("vmcb_clean", 5),
	EAD("flushbyasid", 6),
	EAD("decodeassists", 7),
	EAD("svm_decode", 7),
	EAD("pausefilter", 10),
	EAD("svm_pausefilt", 10),
	EAD("pfthreshold", 12),
	{ "lfence+", 0x80000021, 0, CPUID_A, 2, 1 },
	{ "nscb", 0x80000021, 0, CPUID_A, 6, 1 },
};

/* Where wishes are gathered. */
struct list {
	struct cpuid_wish *at;
	int nr, room;
};

static struct cpuid_wish *add(struct list *l, uint32_t leaf, uint32_t sub, unsigned reg, const char *text, size_t len)
{
	struct cpuid_wish *w = &l->at[l->nr];

	if (l->nr == l->room)
		return NULL;
	l->nr++;
	*w = (struct cpuid_wish){ .leaf = leaf, .sub = sub, .reg = reg };
	snprintf(w->text, sizeof(w->text), "%.*s", (int)len, text);
	return w;
}

/* The value of @w's bits in @mask: 0 or 1, x (as it is), k and s (as the machine has it). */
static int put_bits(struct cpuid_wish *w, uint32_t mask, char c)
{
	switch (c) {
	case '1':
		w->ones |= mask;
		w->zeroes |= mask;
		return 0;
	case '0':
		w->zeroes |= mask;
		return 0;
	case 'k':
	case 's':
		w->host |= mask;
		return 0;
	case 'x':
		return 0;
	default:
		return -1;
	}
}

static int put_field(struct cpuid_wish *w, unsigned bit, unsigned len, uint32_t value)
{
	uint32_t mask = len == 32 ? ~0u : (1u << len) - 1;

	if (value > mask)
		return -1;
	w->ones |= value << bit;
	w->zeroes |= mask << bit;
	return 0;
}

static int number(const char *s, size_t len, uint32_t *out)
{
	char text[16], *end;
	unsigned long n;

	if (len == 0 || len >= sizeof(text) || !isdigit((unsigned char)*s))
		return -1;
	memcpy(text, s, len);
	text[len] = 0;
	n = strtoul(text, &end, 0);
	*out = (uint32_t)n;
	return *end || n > UINT32_MAX ? -1 : 0;
}

/* family= and model= lie in two pieces each (AMD APM vol. 3, CPUID 1). */
static int put_split(struct list *l, const char *word, size_t len, bool family, uint32_t value)
{
	struct cpuid_wish *w = add(l, 1, 0, CPUID_A, word, len);

	if (!w)
		return -1;
	if (!family)
		return value > 0xff || put_field(w, 4, 4, value & 0xf) || put_field(w, 16, 4, value >> 4) ? -1 : 0;
	if (value > 0xf + 0xff)
		return -1;
	return put_field(w, 8, 4, value < 0xf ? value : 0xf) || put_field(w, 20, 8, value < 0xf ? 0 : value - 0xf) ?
		       -1 :
		       0;
}

/* name=value */
static int parse_name(struct list *l, const char *word, size_t len)
{
	const char *eq = memchr(word, '=', len), *value = eq ? eq + 1 : NULL;
	size_t name = eq ? (size_t)(eq - word) : 0, vlen = eq ? len - name - 1 : 0;
	uint32_t n = 0;

	if (!name || !vlen)
		return -1;
	if ((name == 6 && !memcmp(word, "family", 6)) || (name == 5 && !memcmp(word, "model", 5)))
		return number(value, vlen, &n) ? -1 : put_split(l, word, len, name == 6, n);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct name *f = &names[i];
		struct cpuid_wish *w;

		if (strlen(f->name) != name || memcmp(f->name, word, name))
			continue;
		w = add(l, f->leaf, f->sub, f->reg, word, len);
		if (!w)
			return -1;
		if (vlen == 1 && (f->len == 1 || !isdigit((unsigned char)*value)))
			return put_bits(w, (f->len == 32 ? ~0u : (1u << f->len) - 1) << f->bit, *value);
		return number(value, vlen, &n) ? -1 : put_field(w, f->bit, f->len, n);
	}
	return -1;
}

/* register=bits */
static int parse_bits(struct list *l, uint32_t leaf, uint32_t sub, const char *word, size_t len)
{
	struct cpuid_wish *w;

	if (len < 5 || len > 4 + 32 || word[0] != 'e' || word[1] < 'a' || word[1] > 'd' || word[2] != 'x' ||
	    word[3] != '=')
		return -1;
	w = add(l, leaf, sub, (unsigned)(word[1] - 'a'), word, len);
	if (!w)
		return -1;
	/* The last one is bit 0; what is not written is x. */
	for (size_t i = 4; i < len; i++)
		if (put_bits(w, 1u << (len - 1 - i), word[i]))
			return -1;
	return 0;
}

static size_t word_length(const char *s, const char *end)
{
	size_t len = 0;

	while (s + len < end && s[len] != ',')
		len++;
	return len;
}

/* leaf[,subleaf]: then registers */
static int parse_xend(struct list *l, const char *s, const char *colon, const char *end)
{
	const char *comma = memchr(s, ',', (size_t)(colon - s));
	uint32_t leaf, sub = 0;

	if (number(s, (size_t)((comma ? comma : colon) - s), &leaf) ||
	    (comma && number(comma + 1, (size_t)(colon - comma - 1), &sub)))
		return -1;
	for (s = colon + 1; s < end;) {
		size_t len = word_length(s, end);

		if (parse_bits(l, leaf, sub, s, len))
			return -1;
		s += len + 1;
	}
	return 0;
}

static int parse_libxl(struct list *l, const char *s, const char *end, char *bad, size_t bad_size)
{
	bool first = true;

	while (s < end) {
		size_t len = word_length(s, end);

		while (len && isspace((unsigned char)*s)) {
			s++;
			len--;
		}
		/* "host" in front says which way of writing this is. */
		if (!(first && len == 4 && !memcmp(s, "host", 4)) && parse_name(l, s, len)) {
			snprintf(bad, bad_size, "%.*s", (int)len, s);
			return -1;
		}
		first = false;
		s += len + 1;
	}
	return 0;
}

int cpuid_parse(const char *text, struct cpuid_wish *list, int room, char *bad, size_t bad_size)
{
	struct list l = { list, 0, room };

	while (*text) {
		const char *end = text + strcspn(text, ";"), *colon;

		while (text < end && isspace((unsigned char)*text))
			text++;
		colon = memchr(text, ':', (size_t)(end - text));
		if (colon && parse_xend(&l, text, colon, end)) {
			snprintf(bad, bad_size, "%.*s", (int)(end - text), text);
			return -1;
		}
		if (!colon && parse_libxl(&l, text, end, bad, bad_size))
			return -1;
		text = *end ? end + 1 : end;
	}
	return l.nr;
}
