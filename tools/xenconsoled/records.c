#include "records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/hvm_op.h"
#include "abi/hvm_params.h"
#include "abi/grant_table.h"
#include "base/text.h"
#include "console.h"
#include "die.h"
#include "domain.h"
#include "hcall/hcall.h"
#include "hv.h"
#include "loop.h"
#include "options.h"
#include "store/async.h"

#define RETRY 1000 /* ms between attempts to find the store again */
#define BACKENDS "/local/domain/0/backend/console"

/* States of the two ends of a device. */
enum { INITIALISING = 1, INIT_WAIT, INITIALISED, CONNECTED, CLOSING, CLOSED };

/* What is read of a console at once. */
enum value { RING_REF, PORT, TYPE, TTY, NAME, STATE, BACKEND, NR_VALUES };
static const char *const names[NR_VALUES] = { "ring-ref", "port", "type", "tty", NULL, "state", NULL };

struct reading {
	uint32_t domid, nr;
	uint64_t serial;
	unsigned left;
	bool failed;		/* the store went away: nothing is decided */
	char *value[NR_VALUES]; /* NULL: no such record */
};

struct wish {
	struct reading *r;
	enum value what;
};

static struct {
	struct store_async *store;
	struct source source;
	uint64_t retry;
} records = { .source.fd = -1 };

static void refresh(struct console *c);

/* Requests ------------------------------------------------------------------------------- */

static void update_wanted(void)
{
	if (records.store)
		loop_want(&records.source, LOOP_IN | (store_async_wants_write(records.store) ? LOOP_OUT : 0));
}

static void ask(uint32_t type, const char *a, const char *b, store_done *done, void *arg)
{
	/* A value has no NUL, names have. */
	struct wire_piece p[2] = { { a, strlen(a) + 1 }, { b, b ? strlen(b) + (type != XS_WRITE) : 0 } };

	if (!records.store || store_async_send(records.store, type, 0, p, b ? 2 : 1, done, arg)) {
		if (done)
			done(arg, EIO, "", 0);
	}
}

static void tell(const char *folder, const char *name, const char *value)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ask(XS_WRITE, path, value, NULL, NULL);
}

static void backend_path(char path[96], uint32_t domid, uint32_t nr)
{
	snprintf(path, 96, BACKENDS "/%u/%u", domid, nr);
}

/* What to do ----------------------------------------------------------------------------- */

static bool number(const char *s, uint64_t max, uint64_t *out)
{
	return s && wire_parse_number(s, max, out);
}

static void connect_to(struct console *c, uint32_t grant, uint64_t gfn, uint32_t port)
{
	int rc;

	if (c->ring && c->remote_port == port && c->place == (c->nr ? grant : gfn))
		return;
	console_disconnect(c);
	rc = console_connect(c, grant, gfn, port);
	if (rc)
		notice("the console ring of domain %u cannot be used: %s", c->d->id, strerror(-rc));
}

/*
 * Naming the terminal. A toolstack may take the domain's records away at any time, and a plain write would bring some of them back for good: so it is one
 * transaction with a look at what is there as long as the domain is.
 */
struct naming {
	char path[64], tty[64];
	char there[80]; /* a record the domain has as long as it is anybody's */
	bool found;
};

static void naming_looked(void *arg, int err, const char *body, size_t len)
{
	(void)body;
	(void)len;
	((struct naming *)arg)->found = !err;
}

static int naming_step(void *arg, uint32_t tx, unsigned round)
{
	struct naming *n = arg;
	struct wire_piece look = { n->there, strlen(n->there) + 1 }, name[2];
	char path[80];

	if (round == 0) {
		n->found = false;
		return store_async_send(records.store, XS_READ, tx, &look, 1, naming_looked, n) ? EIO : STORE_MORE;
	}
	if (!n->found)
		return ENOENT;
	die_here("tty");
	snprintf(path, sizeof(path), "%s/tty", n->path);
	name[0] = (struct wire_piece){ path, strlen(path) + 1 };
	name[1] = (struct wire_piece){ n->tty, strlen(n->tty) };
	return store_async_send(records.store, XS_WRITE, tx, name, 2, NULL, NULL) ? EIO : 0;
}

static void naming_done(void *arg, int err, const char *body, size_t len)
{
	(void)err; /* its records are gone, or all is read again when the store is back */
	(void)body;
	(void)len;
	free(arg);
}

static void tell_tty(struct console *c, const char *known)
{
	struct naming *n;

	if (!records.store || !c->ring || !c->tty[0] || (known && strcmp(known, c->tty) == 0))
		return;
	n = xcalloc(1, sizeof(*n));
	memcpy(n->path, c->path, sizeof(n->path));
	memcpy(n->tty, c->tty, sizeof(n->tty));
	if (c->recorded)
		snprintf(n->there, sizeof(n->there), "%s/port", c->path);
	else
		snprintf(n->there, sizeof(n->there), "/local/domain/%u", c->d->id);
	if (store_async_transact(records.store, naming_step, naming_done, n))
		free(n);
}

static uint64_t param(uint32_t domid, uint32_t index)
{
	struct xen_hvm_param p = { .domid = (domid_t)domid, .index = index };

	return hcall_hvm(hv_calls(), HVMOP_get_param, &p, sizeof(p)) ? 0 : p.value;
}

/* The first console: the toolstack says where, or, for domains that were there before any toolstack, the hypervisor. */
static void first_console(struct console *c, char *const *v)
{
	uint64_t gfn, port;

	if (v[NAME])
		domain_set_name(c->d, v[NAME]);
	if (v[TYPE] && strcmp(v[TYPE], "xenconsoled")) {
		console_disconnect(c); /* a device model serves it */
		return;
	}
	if (number(v[RING_REF], UINT64_MAX, &gfn) && number(v[PORT], UINT32_MAX, &port)) {
		c->recorded = true;
		connect_to(c, GNTTAB_RESERVED_CONSOLE, gfn, (uint32_t)port);
	} else if (!c->recorded && !v[NAME] && !v[PORT]) {
		gfn = param(c->d->id, HVM_PARAM_CONSOLE_PFN);
		port = param(c->d->id, HVM_PARAM_CONSOLE_EVTCHN);
		if (gfn && port)
			connect_to(c, GNTTAB_RESERVED_CONSOLE, gfn, (uint32_t)port);
	}
	tell_tty(c, v[TTY]);
}

static void set_backend_state(struct console *c, unsigned state)
{
	char path[96], text[12];

	if (c->backend_state == state)
		return;
	c->backend_state = state;
	backend_path(path, c->d->id, c->nr);
	snprintf(text, sizeof(text), "%u", state);
	tell(path, "state", text);
}

/* A further one: a device with two ends that agree by their states. */
static void further_console(struct console *c, char *const *v)
{
	uint64_t state, ours, grant, port;

	if (!v[TYPE] || strcmp(v[TYPE], "xenconsoled") || !number(v[BACKEND], 16, &ours) ||
	    !number(v[STATE], 16, &state)) {
		console_disconnect(c);
		return;
	}
	c->backend_state = (unsigned)ours;
	if (state >= CLOSING || ours >= CLOSING) {
		console_disconnect(c);
		set_backend_state(c, CLOSED);
	} else if (state >= INITIALISED && number(v[RING_REF], UINT32_MAX, &grant) &&
		   number(v[PORT], UINT32_MAX, &port)) {
		c->recorded = true;
		connect_to(c, (uint32_t)grant, UINT64_MAX, (uint32_t)port);
		if (c->ring)
			set_backend_state(c, CONNECTED);
	} else {
		set_backend_state(c, INIT_WAIT);
	}
	tell_tty(c, v[TTY]);
}

static void reading_done(struct reading *r)
{
	struct console *c = domain_console(r->domid, r->nr);

	if (c && c->serial == r->serial) {
		c->reading = false;
		if (r->failed)
			c->again = false; /* all is read again when the store is back */
		else if (c->again)
			refresh(c);
		else if (c->nr)
			further_console(c, r->value);
		else
			first_console(c, r->value);
	}
	for (int i = 0; i < NR_VALUES; i++)
		free(r->value[i]);
	free(r);
}

static void value_read(void *arg, int err, const char *body, size_t len)
{
	struct wish *w = arg;
	struct reading *r = w->r;

	if (!err)
		r->value[w->what] = xstrdup(body);
	else if (err == EIO)
		r->failed = true;
	free(w);
	if (--r->left == 0)
		reading_done(r);
}

static void refresh(struct console *c)
{
	struct reading *r;
	char path[160];

	c->again = c->reading;
	if (c->reading || !records.store)
		return;
	c->reading = true;
	r = xcalloc(1, sizeof(*r));
	r->domid = c->d->id;
	r->nr = c->nr;
	r->serial = c->serial;
	r->left = NR_VALUES;
	for (int i = 0; i < NR_VALUES; i++) {
		struct wish *w = xmalloc(sizeof(*w));

		*w = (struct wish){ r, (enum value)i };
		if (i == NAME)
			snprintf(path, sizeof(path), "/local/domain/%u/name", c->d->id);
		else if (i == BACKEND)
			snprintf(path, sizeof(path), BACKENDS "/%u/%u/state", c->d->id, c->nr);
		else
			snprintf(path, sizeof(path), "%s/%s", c->path, names[i]);
		ask(XS_READ, path, NULL, value_read, w);
	}
	update_wanted();
}

/* Watches -------------------------------------------------------------------------------- */

static void watch(bool yes, const char *path, const char *token)
{
	ask(yes ? XS_WATCH : XS_UNWATCH, path, token, NULL, NULL);
}

static void watch_console(struct console *c, bool yes)
{
	char path[96], token[32];

	if (c->nr)
		snprintf(path, sizeof(path), "%s/state", c->path);
	else
		snprintf(path, sizeof(path), "%s", c->path);
	snprintf(token, sizeof(token), "c%u.%u", c->d->id, c->nr);
	watch(yes, path, token);
}

/* A further console of @domid has or may have a backend. */
static void further(uint32_t domid, uint32_t nr)
{
	struct domain *d = domain_find(domid);
	struct console *c = domain_console(domid, nr);

	if (!d || !nr || nr > 255)
		return;
	if (c) {
		refresh(c);
		return;
	}
	c = console_new(d, nr);
	console_open_log(c);
	watch_console(c, true); /* which fires at once */
}

static void backends_listed(void *arg, int err, const char *body, size_t len)
{
	uint32_t domid = (uint32_t)(uintptr_t)arg;
	uint64_t nr;

	if (err)
		return;
	for (const char *p = body; p < body + len; p += strlen(p) + 1)
		if (wire_parse_number(p, 255, &nr) && nr)
			further(domid, (uint32_t)nr);
}

static void follow(struct domain *d)
{
	char path[96];

	for (struct console *c = d->consoles; c; c = c->next)
		watch_console(c, true);
	snprintf(path, sizeof(path), BACKENDS "/%u", d->id);
	ask(XS_DIRECTORY, path, NULL, backends_listed, (void *)(uintptr_t)d->id);
}

void records_domain(struct domain *d)
{
	follow(d);
	update_wanted();
}

void records_forget(struct domain *d)
{
	for (struct console *c = d->consoles; c; c = c->next)
		watch_console(c, false);
	update_wanted();
}

/* The one node of a first console that is the guest's own, as libxl leaves it: what it does there is no news, however often it does it. */
static bool is_guests(const char *path)
{
	unsigned domid;
	int end = 0;

	return sscanf(path, "/local/domain/%u/console/backend-id%n", &domid, &end) == 1 && end;
}

static void fired(void *arg, const char *path, const char *token)
{
	uint32_t domid, nr;
	struct console *c;

	if (token[0] == 'l') {
		if (wire_special_domain(path, &domid))
			domain_arrived(domid);
		else
			domain_look();
	} else if (token[0] == 'c' && sscanf(token + 1, "%u.%u", &domid, &nr) == 2) {
		c = domain_console(domid, nr);
		if (c && !is_guests(path))
			refresh(c);
	} else if (token[0] == 'b' && sscanf(path, BACKENDS "/%u/%u", &domid, &nr) == 2) {
		further(domid, nr);
	}
}

/* Connection ----------------------------------------------------------------------------- */

static int connect_at(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (!path || strlen(path) >= sizeof(to.sun_path))
		return -1;
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int connect_store(void)
{
	const char *path = getenv("XENSTORED_PATH"), *dir = getenv("XENSTORED_RUNDIR");
	char *in_dir;
	int fd;

	if (path)
		return connect_at(path);
	in_dir = xasprintf("%s/socket", dir ? dir : "/run/xenstored");
	fd = connect_at(in_dir);
	free(in_dir);
	return fd < 0 && !dir ? connect_at("/var/run/xenstored/socket") : fd;
}

static void lost(void)
{
	struct store_async *s = records.store;

	notice("the store's daemon is gone; consoles go on, and it is looked for");
	records.store = NULL;
	records.retry = loop_now();
	loop_forget(&records.source);
	store_async_close(s);
}

static void ready(struct source *s, unsigned what)
{
	if (store_async_ready(records.store))
		lost();
	else
		update_wanted();
}

static bool open_store(void)
{
	int fd = connect_store();

	if (fd < 0)
		return false;
	records.store = store_async_open(fd, fired, NULL);
	records.source = (struct source){ .ready = ready, .fd = fd };
	if (!records.store || loop_add(&records.source, LOOP_IN))
		exit(1);
	store_async_watch_domains(records.store, "@introduceDomain", "l");
	watch(true, "@releaseDomain", "l");
	watch(true, BACKENDS, "b");
	update_wanted();
	return true;
}

static void look(uint64_t now)
{
	if (records.store) {
		update_wanted();
		return;
	}
	if (now >= records.retry && open_store()) {
		domain_each(follow);
		domain_look();
		update_wanted();
		return;
	}
	if (now >= records.retry)
		records.retry = now + RETRY;
	loop_due(records.retry);
}

void records_setup(void)
{
	if (!open_store()) {
		notice("the store cannot be reached: %s. Start xenstored before", strerror(errno));
		exit(1);
	}
	loop_on_turn(look);
}

bool records_idle(void)
{
	return records.store && !store_async_pending(records.store);
}
