/*
 * xen-init-dom0: the records of the domain that was there before any toolstack. Run once after the store's daemon; doing it again
 * changes nothing.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/domctl.h"
#include "abi/sysctl.h"
#include "base/text.h"
#include "hcall/hcall.h"
#include "store/store.h"

#define USERDATA_DIR "/var/lib/xen"
#define DOMID_HISTORY "/var/run/xen/domid-history" /* ids used lately: those of another boot mean nothing */

static int fail(const char *what, int err)
{
	fprintf(stderr, "xen-init-dom0: %s%s%s\n", what, err ? ": " : "", err ? strerror(err) : "");
	return 1;
}

static bool parse_uuid(const char *s, uint8_t uuid[16])
{
	unsigned digits = 0;

	for (unsigned i = 0; s[i]; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		const char *hex = "0123456789abcdef", *at = strchr(hex, s[i] | 0x20);

		if (i >= 36 || dash != (s[i] == '-') || (!dash && !at))
			return false;
		if (dash)
			continue;
		uuid[digits / 2] = (uint8_t)(uuid[digits / 2] << 4 | (at - hex));
		digits++;
	}
	return digits == 32;
}

static void format_uuid(const uint8_t uuid[16], char out[37])
{
	for (unsigned i = 0; i < 16; i++)
		out += sprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

/* What libxl keeps of a domain it made, as far as that can be known of this one. */
static int write_config(bool hvm, const uint8_t uuid[16], bool given)
{
	const char *dir = getenv("XEN_USERDATA_DIR"), *type = hvm ? "pvh" : "pv";
	char text[37], *path, *temporary;
	struct text t = { 0 };
	FILE *f;
	bool ok;

	format_uuid(uuid, text);
	dir = dir ? dir : USERDATA_DIR;
	mkdir(dir, 0755);
	path = xasprintf("%s/userdata-d.0.%s.libxl-json", dir, text);
	temporary = xasprintf("%s/userdata-n.0.%s.libxl-json", dir, text);
	text_printf(&t, "{\n    \"c_info\": {\n        \"type\": \"%s\"", type);
	if (given)
		text_printf(&t, ",\n        \"uuid\": \"%s\"", text);
	text_printf(&t,
		    "\n    },\n    \"b_info\": {\n        \"sched_params\": {\n\n        },\n"
		    "        \"type.%s\": {\n\n        },\n        \"arch_arm\": {\n\n        },\n"
		    "        \"arch_x86\": {\n\n        }\n    }\n}\n",
		    type);
	f = fopen(temporary, "wex");
	if (!f && errno == EEXIST && !unlink(temporary))
		f = fopen(temporary, "wex");
	/* libxl's files end with a NUL. */
	ok = f && fchmod(fileno(f), 0600) == 0 && fwrite(t.s, 1, t.len + 1, f) == t.len + 1;
	ok = f && fclose(f) == 0 && ok && !rename(temporary, path);
	text_free(&t);
	free(path);
	free(temporary);
	return ok ? 0 : errno ? errno : EIO;
}

static int set(struct store *s, const char *path, const char *value)
{
	return store_write(s, 0, path, value, strlen(value));
}

/* The pools there are have names in the store. */
static int name_pools(struct hcall *h, struct store *s)
{
	uint32_t id = 0;

	for (;;) {
		struct xen_sysctl op = { .cmd = XEN_SYSCTL_cpupool_op };
		char path[64], name[32];
		int rc;

		op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
		op.u.cpupool_op.cpupool_id = id;
		rc = hcall_sysctl(h, &op);
		if (rc)
			return rc == -ENOENT ? 0 : -rc;
		id = op.u.cpupool_op.cpupool_id;
		snprintf(path, sizeof(path), "/local/pool/%u/name", id);
		snprintf(name, sizeof(name), "Pool-%u", id);
		rc = set(s, path, name);
		if (rc)
			return rc;
		id++;
	}
}

static int init_dom0(struct hcall *h, struct store *s, const char *uuid_text)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_setdomainhandle };
	uint8_t uuid[16] = { 0 };
	int rc;

	if (uuid_text) {
		if (!parse_uuid(uuid_text, uuid)) {
			fprintf(stderr, "failed to parse UUID %s\n", uuid_text);
			return 1;
		}
		memcpy(&op.u.setdomainhandle, uuid, sizeof(uuid));
		rc = hcall_domctl(h, &op);
		if (rc)
			return fail("failed to set Dom0 UUID", -rc);
	}
	op = (struct xen_domctl){ .cmd = XEN_DOMCTL_getdomaininfo };
	rc = hcall_domctl(h, &op);
	if (rc)
		return fail("cannot get domain type", -rc);
	memcpy(uuid, &op.u.getdomaininfo.handle, sizeof(uuid));
	if (unlink(DOMID_HISTORY) && errno != ENOENT)
		return fail(DOMID_HISTORY, errno);
	rc = write_config(op.u.getdomaininfo.flags & XEN_DOMINF_hvm_guest, uuid, uuid_text);
	if (rc)
		return fail("cannot store stub json config for domain 0", rc);
	rc = name_pools(h, s);
	if (rc)
		return fail("cannot set pool name", rc);
	/* The name last: it says that all is done. */
	rc = set(s, "/local/domain/0/domid", "0");
	if (rc)
		return fail("cannot set domid for Dom0", rc);
	rc = set(s, "/local/domain/0/name", "Domain-0");
	if (rc)
		return fail("cannot set domain name for Dom0", rc);
	puts("Done setting up Dom0");
	return 0;
}

int main(int argc, char **argv)
{
	struct hcall *h;
	struct store *s;
	char *name;

	if (argc > 2)
		return fail("too many arguments", 0);
	h = hcall_open();
	if (!h)
		return fail("no hypercalls: is this domain 0 of a Xen or Hospes host?", errno);
	s = store_open(0);
	if (!s)
		return fail("cannot open xenstore connection: start xenstored before", errno);
	name = store_read(s, 0, "/local/domain/0/name", NULL);
	if (name) {
		puts("Dom0 is already set up");
		return 0;
	}
	return init_dom0(h, s, argc > 1 ? argv[1] : NULL);
}
