#include "hv/parse.h"

#include "hv/errno.h"
#include "hv/string.h"

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* See hv/parse.h. */
int parse_u64(const char *s, const char **end, uint64_t *out)
{
	unsigned base = 10;
	const char *p = s;
	uint64_t val = 0;

	*end = s;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && digit_value(p[2]) < 16) {
		base = 16;
		p += 2;
	} else if (p[0] == '0') {
		base = 8;
	}
	if (digit_value(*p) >= (int)base)
		return -EINVAL;
	for (; digit_value(*p) < (int)base; p++) {
		uint64_t d = (uint64_t)digit_value(*p);

		if (val > (UINT64_MAX - d) / base)
			return -ERANGE;
		val = val * base + d;
	}
	*end = p;
	*out = val;
	return 0;
}

/* See hv/parse.h. */
int parse_int(const char *s, int64_t *out)
{
	bool negative = *s == '-';
	const char *end;
	uint64_t val;
	int rc;

	rc = parse_u64(s + negative, &end, &val);
	if (rc)
		return rc;
	if (*end)
		return -EINVAL;
	if (val > INT64_MAX)
		return -ERANGE;
	*out = negative ? -(int64_t)val : (int64_t)val;
	return 0;
}

/* See hv/parse.h. */
int parse_size(const char *s, uint64_t *out)
{
	static const char units[] = "BKMGT";
	const char *end, *unit;
	unsigned shift = 10;
	uint64_t val;
	int rc;

	rc = parse_u64(s, &end, &val);
	if (rc)
		return rc;
	if (*end) {
		unit = strchr(units, *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end);
		if (!unit || end[1])
			return -EINVAL;
		shift = (unsigned)(unit - units) * 10;
	}
	if (val > UINT64_MAX >> shift)
		return -ERANGE;
	*out = val << shift;
	return 0;
}

/* See hv/parse.h. */
bool parse_is(const char *s, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(s, word, len);
}

/* See hv/parse.h. */
int parse_bool(const char *s, size_t len)
{
	static const char *const yes[] = { "yes", "on", "true", "enable", "1" };
	static const char *const no[] = { "no", "off", "false", "disable", "0" };

	for (unsigned i = 0; i < ARRAY_SIZE(yes); i++) {
		if (parse_is(s, len, yes[i]))
			return 1;
		if (parse_is(s, len, no[i]))
			return 0;
	}
	return -EINVAL;
}

/* See hv/parse.h. */
bool parse_item(const char **list, char sep, const char **item, size_t *len)
{
	const char *p = *list;

	if (!p)
		return false;
	*item = p;
	while (*p && *p != sep)
		p++;
	*len = (size_t)(p - *item);
	*list = *p ? p + 1 : NULL;
	return true;
}
