/* Network specifications, as xl-network-configuration(5) has them. */
#include "domain/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/problem.h"
#include "base/text.h"

static int bad(struct problem *p, const char *next, const char *what, const char *near)
{
	return problem_set(p, EINVAL, "bad-vif", "vif", next, "%s '%s'", what, near);
}

/* Six bytes in hexadecimal, with ':' or '-' between. */
static int parse_mac(uint8_t mac[6], const char *s)
{
	for (unsigned i = 0; i < 6; i++) {
		char *end;
		unsigned long v = strtoul(s, &end, 16);

		if (!isxdigit((unsigned char)*s) || end - s > 2 || v > 255)
			return -EINVAL;
		if (i < 5 ? *end != ':' && *end != '-' : *end != 0)
			return -EINVAL;
		mac[i] = (uint8_t)v;
		s = end + 1;
	}
	return 0;
}

/* A number, then one of the words "" (with @words[i] ending the text or followed by @stop); its factor is multiplied in. */
static int quantity(const char **s, const char *const *words, const uint64_t *factors, unsigned nr, uint64_t *out)
{
	char *end;
	unsigned long long v;

	if (!isdigit((unsigned char)**s))
		return -EINVAL;
	errno = 0;
	v = strtoull(*s, &end, 10);
	if (errno)
		return -EINVAL;
	for (unsigned i = 0; i < nr; i++) {
		size_t n = strlen(words[i]);

		if (strncmp(end, words[i], n) == 0 && (end[n] == 0 || end[n] == '@')) {
			if (v > UINT64_MAX / factors[i])
				return -EINVAL;
			*out = v * factors[i];
			*s = end + n;
			return 0;
		}
	}
	return -EINVAL;
}

/* "10Mb/s@20ms": bytes for each interval of microseconds. */
static int parse_rate(struct nic_config *n, const char *s)
{
	/* In eighths of a byte. */
	static const char *const rates[] = { "b/s", "Kb/s", "Mb/s", "Gb/s", "B/s", "KB/s", "MB/s", "GB/s" };
	static const uint64_t rate_bits[] = { 1, 1000, 1000000, 1000000000, 8, 8000, 8000000, 8000000000 };
	static const char *const times[] = { "us", "ms", "s" };
	static const uint64_t micros[] = { 1, 1000, 1000000 };
	uint64_t bits, us = 50000, bytes;

	if (quantity(&s, rates, rate_bits, 8, &bits))
		return -EINVAL;
	if (*s == '@') {
		s++;
		if (quantity(&s, times, micros, 3, &us))
			return -EINVAL;
	}
	bytes = bits / 8;
	if (*s || us == 0 || us > UINT32_MAX || bytes > UINT64_MAX / us)
		return -EINVAL;
	n->rate_bytes = bytes * us / 1000000;
	n->rate_us = (uint32_t)us;
	return 0;
}

static int parse_number(const char *s, long min, long max, long *out)
{
	char *end;

	*out = strtol(s, &end, 10);
	return *s == 0 || *end || *out < min || *out > max ? -EINVAL : 0;
}

static void replace(char **to, const char *s)
{
	free(*to);
	*to = xstrdup(s);
}

/* Strings that are taken as they are. */
static char **string_of(struct nic_config *n, const char *key)
{
	return strcmp(key, "bridge") == 0     ? &n->bridge :
	       strcmp(key, "ip") == 0	      ? &n->ip :
	       strcmp(key, "script") == 0     ? &n->script :
	       strcmp(key, "vifname") == 0    ? &n->vifname :
	       strcmp(key, "model") == 0      ? &n->model :
	       strcmp(key, "gatewaydev") == 0 ? &n->gatewaydev :
	       strcmp(key, "netdev") == 0     ? &n->gatewaydev :
	       strcmp(key, "backend") == 0    ? &n->backend_domain :
						NULL;
}

/* Known to xl, of no use here, and harmless. */
static bool ignored(const char *key)
{
	return strcmp(key, "accel") == 0 || strcmp(key, "mode") == 0 || strncmp(key, "colo_", 5) == 0 ||
	       strcmp(key, "forwarddev") == 0;
}

static int set_key(struct nic_config *n, const char *key, const char *value, struct problem *p)
{
	char **s = string_of(n, key);
	long v;

	if (s) {
		replace(s, value);
	} else if (strcmp(key, "mac") == 0) {
		if (parse_mac(n->mac, value))
			return bad(p, "write six bytes as in mac=00:16:3e:12:34:56", "this is no MAC address:", value);
	} else if (strcmp(key, "type") == 0) {
		if (strcmp(value, "vif") && strcmp(value, "ioemu"))
			return bad(p, "use vif or ioemu", "unknown type", value);
		replace(&n->type, value);
	} else if (strcmp(key, "rate") == 0) {
		if (parse_rate(n, value))
			return bad(p, "write it as in rate=10Mb/s or rate=1MB/s@20ms", "this is no rate:", value);
	} else if (strcmp(key, "mtu") == 0) {
		if (parse_number(value, 0, 1 << 20, &v))
			return bad(p, "write a number, for example mtu=1500", "this is no mtu:", value);
		n->mtu = (unsigned)v;
	} else if (strcmp(key, "devid") == 0) {
		if (parse_number(value, 0, 1 << 16, &v))
			return bad(p, "write a small number, for example devid=0", "this is no devid:", value);
		n->devid = (int)v;
	} else if (strcmp(key, "vlan") == 0) {
		if (parse_number(value, 0, 4095, &v))
			return bad(p, "write a number from 0 to 4095", "this is no vlan:", value);
		n->vlan = (int)v;
	} else if (!ignored(key)) {
		return bad(p, "see xl-network-configuration(5) for the names there are", "unknown parameter", key);
	}
	return 0;
}

int nic_config_parse(struct nic_config *n, const char *spec, struct problem *p)
{
	char *copy = xstrdup(spec), *save, *s;
	int rc = 0;

	*n = (struct nic_config){ .devid = -1, .vlan = -1 };
	for (s = strtok_r(copy, ",", &save); s && rc == 0; s = strtok_r(NULL, ",", &save)) {
		char *eq;

		s += strspn(s, " \t");
		for (size_t len = strlen(s); len && (s[len - 1] == ' ' || s[len - 1] == '\t');)
			s[--len] = 0;
		eq = strchr(s, '=');
		if (eq) {
			*eq = 0;
			rc = set_key(n, s, eq + 1, p);
		} else if (strcmp(s, "untrusted") == 0 || strcmp(s, "trusted") == 0) {
			n->untrusted = *s == 'u';
			n->trusted = *s == 't';
		} else if (strcmp(s, "accel") == 0) {
			n->accel = true;
		} else if (*s) {
			rc = bad(p, "see xl-network-configuration(5) for the names there are", "unknown parameter", s);
		}
	}
	free(copy);
	if (rc)
		nic_config_free(n);
	return rc;
}

void nic_config_free(struct nic_config *n)
{
	free(n->bridge);
	free(n->ip);
	free(n->script);
	free(n->vifname);
	free(n->model);
	free(n->type);
	free(n->gatewaydev);
	free(n->backend_domain);
	*n = (struct nic_config){ .devid = -1, .vlan = -1 };
}
