#include "home.h"

#include <stdio.h>
#include <string.h>

#include "conn_io.h"
#include "domain.h"
#include "journal.h"
#include "options.h"
#include "request.h"

/* Who owns what a guest gets: its home is the host's and readable to it, some nodes are its own. */
static const struct home_node {
	const char *path;
	bool own;
} home_nodes[] = {
	{ "", false },
	{ "/cpu", false },
	{ "/memory", false },
	{ "/device", false },
	{ "/control", false },
	{ "/control/shutdown", true },
	{ "/control/sysrq", true },
	{ "/control/feature-poweroff", true },
	{ "/control/feature-reboot", true },
	{ "/control/feature-suspend", true },
	{ "/control/platform-feature-multiprocessor-suspend", false },
	{ "/control/platform-feature-xs_reset_watches", false },
	{ "/device/suspend", false },
	{ "/device/suspend/event-channel", true },
	{ "/store", false },
	{ "/data", true },
	{ "/drivers", true },
	{ "/feature", true },
	{ "/attr", true },
	{ "/error", true },
};

/* One request as a client of domain 0 would send it. True: it was granted; the answer itself goes nowhere. */
static bool request(struct conn *c, uint32_t type, const char *path, const char *rest, size_t rest_len)
{
	char body[512];
	size_t len = strlen(path) + 1;
	struct xsd_sockmsg h = { .type = type, .len = (uint32_t)(len + rest_len) };

	if (len + rest_len > sizeof(body))
		return false;
	memcpy(body, path, len);
	memcpy(body + len, rest, rest_len);
	request_handle(c, &h, body);
	if (queue_bytes(&c->io->out) < sizeof(h))
		return false;
	memcpy(&h, c->io->out.bytes + c->io->out.head, sizeof(h));
	queue_clear(c);
	return h.type == type;
}

static void write_text(struct conn *c, const char *home, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", home, name);
	request(c, XS_WRITE, path, text, strlen(text));
}

void home_make(uint32_t id, uint32_t port)
{
	struct conn *c = conn_new(CONN_SOCKET, domain_get(0), 0);
	char home[48], path[128], perms[40], text[24];

	if (!c)
		return;
	snprintf(home, sizeof(home), "/local/domain/%u", id);
	if (request(c, XS_READ, home, "", 0)) {
		conn_destroy(c);
		return; /* somebody has made it */
	}
	for (size_t i = 0; i < sizeof(home_nodes) / sizeof(home_nodes[0]); i++) {
		int n;

		snprintf(path, sizeof(path), "%s%s", home, home_nodes[i].path);
		request(c, XS_MKDIR, path, "", 0);
		if (home_nodes[i].own)
			n = snprintf(perms, sizeof(perms), "n%u", id) + 1;
		else
			n = snprintf(perms, sizeof(perms), "n0%cr%u", 0, id) + 1;
		request(c, XS_SET_PERMS, path, perms, (size_t)n);
	}
	snprintf(text, sizeof(text), "%u", id);
	write_text(c, home, "domid", text);
	snprintf(text, sizeof(text), "Domain-%u", id);
	write_text(c, home, "name", text);
	snprintf(text, sizeof(text), "%u", port);
	write_text(c, home, "store/port", text);
	write_text(c, home, "store/ring-ref", "1");
	write_text(c, home, "control/platform-feature-multiprocessor-suspend", "1");
	write_text(c, home, "control/platform-feature-xs_reset_watches", "1");
	conn_destroy(c);
}
