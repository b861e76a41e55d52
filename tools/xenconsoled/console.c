#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "abi/event_channel.h"
#include "abi/io_console.h"
#include "base/text.h"
#include "die.h"
#include "domain.h"
#include "hcall/evtchn.h"
#include "hcall/foreign.h"
#include "hcall/gnttab.h"
#include "hcall/hcall.h"
#include "history.h"
#include "hv.h"
#include "options.h"
#include "ring.h"

/* A domain may make so many events in such a time (ms), and waits for the rest of it then. */
#define RATE_EVENTS 30
#define RATE_PERIOD 200
#define LINGER 2000 /* ms a dead domain's terminal waits for its reader */
#define LINGER_LOOK 50
#define PORTS_AT_ONCE 64

static struct {
	struct source events;
	struct console **by_port;
	unsigned nr_ports;
	struct console *held, *lingering;
	uint64_t serial;
} consoles = { .events.fd = -1 };

static void take_output(struct console *c);

/* Terminal ------------------------------------------------------------------------------- */

static int open_pty(struct console *c)
{
	struct termios t;

	c->pty.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (c->pty.fd < 0 || grantpt(c->pty.fd) || unlockpt(c->pty.fd) || ptsname_r(c->pty.fd, c->tty, sizeof(c->tty)))
		return -1;
	/* Kept open: without a reader the terminal would be hung up, and forget its settings. */
	c->slave = open(c->tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0 || tcgetattr(c->slave, &t))
		return -1;
	cfmakeraw(&t);
	return tcsetattr(c->slave, TCSAFLUSH, &t);
}

/* Has nobody read all of it? Poll, unlike FIONREAD, looks at what is still on its way through the kernel. */
static bool unread(const struct console *c)
{
	struct pollfd p = { .fd = c->slave, .events = POLLIN };

	return c->tty_at < history_end(c->history) || (c->slave >= 0 && poll(&p, 1, 0) == 1);
}

static void close_pty(struct console *c)
{
	loop_remove(&c->pty);
	if (c->slave >= 0)
		close(c->slave);
	c->slave = -1;
}

static void want(struct console *c, bool out)
{
	loop_want(&c->pty, (c->input_full || c->ended ? 0 : LOOP_IN) | (out ? LOOP_OUT : 0));
}

/* Write to the terminal what it has not got yet. */
static void feed_pty(struct console *c)
{
	char buf[2048];
	bool full = false;

	while (!full && c->pty.fd >= 0 && c->tty_at < history_end(c->history)) {
		size_t n = history_read(c->history, &c->tty_at, buf, sizeof(buf));
		ssize_t done = write(c->pty.fd, buf, n);

		full = done < (ssize_t)n;
		c->tty_at -= n - (done > 0 ? (size_t)done : 0);
	}
	want(c, full);
}

/* Somebody typed. What the ring has no room for stays in the terminal. */
static void take_input(struct console *c)
{
	char buf[RING_IN_SIZE];
	size_t room = c->ring ? ring_input_room(c->ring) : 0;
	ssize_t n = room ? read(c->pty.fd, buf, room) : 0;

	c->input_full = !room;
	if (n > 0) {
		ring_input(c->ring, buf, (size_t)n);
		evtchn_notify(hv_events(), (uint32_t)c->port);
	}
	want(c, c->pty.wanted & LOOP_OUT);
}

static void pty_ready(struct source *s, unsigned what)
{
	struct console *c = (struct console *)((char *)s - offsetof(struct console, pty));

	if (what & LOOP_OUT) {
		feed_pty(c);
		/* Somebody reads: a domain that had to wait may go on. */
		if (options.keep_overflow && c->ring && !c->held)
			take_output(c);
	}
	if (what & LOOP_IN)
		take_input(c);
}

/* Log ------------------------------------------------------------------------------------ */

static void open_log(struct console *c, const char *domain)
{
	char name[128];

	if (c->nr)
		snprintf(name, sizeof(name), "guest-%s-%u", domain, c->nr);
	else
		snprintf(name, sizeof(name), "guest-%s", domain);
	log_open(&c->log, name, options.time_guest, options.replace_escape);
}

static void feed_log(struct console *c)
{
	uint64_t at = history_logged(c->history);
	char buf[2048];
	size_t n;

	if (options.log_guest && c->log.fd < 0 && !c->d->name[0]) {
		/* Its name may come yet, but not all have one, and the store may be away: wait while the next ring overwrites nothing of this. */
		if (history_end(c->history) - at + RING_OUT_SIZE <= history_size(c->history))
			return;
		snprintf(buf, sizeof(buf), "%u", c->d->id);
		open_log(c, buf);
	}
	while ((n = history_read(c->history, &at, buf, sizeof(buf)))) {
		log_write(&c->log, buf, n);
		die_here("log");
		history_set_logged(c->history, at);
	}
}

void console_open_log(struct console *c)
{
	log_close(&c->log);
	if (!options.log_guest || !c->d->name[0])
		return;
	open_log(c, c->d->name);
	/* What was said before the name was known: the domain may never say more. */
	feed_log(c);
}

/* Ring ----------------------------------------------------------------------------------- */

/* Take what the domain has said, at most one ring, and pass it on. */
static void take_output(struct console *c)
{
	char buf[RING_OUT_SIZE];
	size_t max = sizeof(buf), n;
	uint32_t at;

	if (options.keep_overflow && !c->ended) {
		uint64_t behind = history_end(c->history) - c->tty_at;

		max = behind < history_size(c->history) ? history_size(c->history) - behind : 0;
	}
	n = ring_output(c->ring, &at, buf, max < sizeof(buf) ? max : sizeof(buf));
	if (n) {
		history_add(c->history, buf, n, at + (uint32_t)n);
		ring_output_taken(c->ring, at + (uint32_t)n);
		die_here("ring");
		evtchn_notify(hv_events(), (uint32_t)c->port);
	} else if (!ring_output_waiting(c->ring) && at != c->ring->out_cons) {
		ring_output_taken(c->ring, at);
	}
	feed_log(c);
	feed_pty(c);
}

static void serve(struct console *c)
{
	if (c->input_full && ring_input_room(c->ring)) {
		c->input_full = false;
		want(c, c->pty.wanted & LOOP_OUT);
	}
	take_output(c);
}

/* The port is pending and masked. */
static void heard(struct console *c, uint64_t now)
{
	if (now >= c->period_end) {
		c->period_end = now + RATE_PERIOD;
		c->heard = 0;
	}
	if (++c->heard > RATE_EVENTS) {
		c->held = true;
		c->next_held = consoles.held;
		consoles.held = c;
		return;
	}
	/* Before the ring is read: what comes after makes a new event. */
	evtchn_unmask(hv_events(), (uint32_t)c->port);
	serve(c);
}

static void unhold(struct console *c)
{
	struct console **at = &consoles.held;

	while (c->held && *at != c)
		at = &(*at)->next_held;
	if (c->held)
		*at = c->next_held;
	c->held = false;
}

static void events_ready(struct source *s, unsigned what)
{
	uint32_t ports[PORTS_AT_ONCE];
	int n = evtchn_pending_many(hv_events(), ports, PORTS_AT_ONCE);
	uint64_t now = loop_now();

	if (n < 0 && n != -EAGAIN && n != -EINTR) {
		fprintf(stderr, "xenconsoled: no more events come from the hypervisor: %s\n", strerror(-n));
		exit(1); /* all that was taken is in the histories */
	}
	for (int i = 0; i < n; i++) {
		struct console *c = ports[i] < consoles.nr_ports ? consoles.by_port[ports[i]] : NULL;

		if (c) {
			heard(c, now);
			continue;
		}
		evtchn_unmask(hv_events(), ports[i]);
		hv_log_event((int)ports[i]);
	}
}

static void free_console(struct console *c)
{
	close_pty(c);
	history_close(c->history);
	free(c);
}

/* Let those go on whose period is over, and close terminals that were read. */
static void look(uint64_t now)
{
	for (struct console *c = consoles.held, *next; c; c = next) {
		next = c->next_held;
		if (c->period_end > now) {
			loop_due(c->period_end);
			continue;
		}
		unhold(c);
		c->period_end = now + RATE_PERIOD;
		c->heard = 1;
		evtchn_unmask(hv_events(), (uint32_t)c->port);
		serve(c);
	}
	for (struct console **at = &consoles.lingering; *at;) {
		struct console *c = *at;

		feed_pty(c);
		if (now < c->linger_until && unread(c)) {
			loop_due(now + LINGER_LOOK);
			at = &c->next_lingering;
			continue;
		}
		*at = c->next_lingering;
		free_console(c);
	}
}

void console_setup(void)
{
	consoles.events = (struct source){ .ready = events_ready, .fd = evtchn_fd(hv_events()) };
	if (loop_add(&consoles.events, LOOP_IN)) {
		notice("event channels: %s", strerror(errno));
		exit(1);
	}
	loop_on_turn(look);
}

struct console *console_new(struct domain *d, uint32_t nr)
{
	struct console *c = xcalloc(1, sizeof(*c));
	struct history_id id = { .domid = d->id, .nr = nr };

	memcpy(id.handle, d->handle, sizeof(id.handle));
	c->d = d;
	c->nr = nr;
	c->serial = ++consoles.serial;
	c->port = -1;
	c->slave = -1;
	c->log.fd = -1;
	c->pty = (struct source){ .ready = pty_ready, .fd = -1 };
	if (nr)
		snprintf(c->path, sizeof(c->path), "/local/domain/%u/device/console/%u", d->id, nr);
	else
		snprintf(c->path, sizeof(c->path), "/local/domain/%u/console", d->id);
	c->history = history_open(&id);
	c->tty_at = history_end(c->history);
	if (open_pty(c) || loop_add(&c->pty, LOOP_IN)) {
		notice("no terminal for domain %u: %s", d->id, strerror(errno));
		close_pty(c);
		c->tty[0] = '\0';
	}
	c->next = d->consoles;
	d->consoles = c;
	return c;
}

static void remember_port(struct console *c, int port)
{
	if ((unsigned)port >= consoles.nr_ports) {
		unsigned nr = ((unsigned)port | 1023) + 1;

		consoles.by_port = xrealloc(consoles.by_port, nr * sizeof(*consoles.by_port));
		memset(consoles.by_port + consoles.nr_ports, 0, (nr - consoles.nr_ports) * sizeof(*consoles.by_port));
		consoles.nr_ports = nr;
	}
	consoles.by_port[port] = c;
	c->port = port;
}

static void unmap_ring(struct console *c)
{
	if (c->granted)
		gnttab_unmap(hv_grants(), c->ring, 1);
	else
		foreign_unmap(hv_calls(), c->ring, 1);
	c->ring = NULL;
}

int console_connect(struct console *c, uint32_t grant, uint64_t gfn, uint32_t remote_port)
{
	const int prot = PROT_READ | PROT_WRITE;
	int rc = 0;

	c->ring = gnttab_map(hv_grants(), c->d->id, &grant, 1, prot);
	c->granted = c->ring;
	if (!c->ring && gfn != UINT64_MAX)
		c->ring = foreign_map(hv_calls(), c->d->id, prot, &gfn, 1, NULL);
	if (!c->ring)
		return -errno;
	rc = evtchn_bind_interdomain(hv_events(), c->d->id, remote_port);
	if (rc < 0) {
		unmap_ring(c);
		return rc;
	}
	remember_port(c, rc);
	c->place = c->nr ? grant : gfn;
	c->remote_port = remote_port;
	/* Where a daemon before us stopped, if it died in the middle. */
	ring_output_taken(c->ring, history_resume(c->history, c->ring->out_cons, ring_output_waiting(c->ring)));
	c->input_full = false;
	serve(c);
	/* Whoever waited for room while nobody was here. */
	evtchn_notify(hv_events(), (uint32_t)c->port);
	return 0;
}

bool console_is_orphan(const struct console *c)
{
	struct evtchn_status s = { .dom = DOMID_SELF, .port = (uint32_t)c->port };

	return c->ring && !hcall_evtchn(hv_calls(), EVTCHNOP_status, &s, sizeof(s)) &&
	       s.status != EVTCHNSTAT_interdomain;
}

void console_disconnect(struct console *c)
{
	if (!c->ring)
		return;
	/* A living guest could go on for ever. */
	for (unsigned i = 0; i < 2 && ring_output_waiting(c->ring); i++)
		take_output(c);
	unhold(c);
	consoles.by_port[c->port] = NULL;
	evtchn_unbind(hv_events(), (uint32_t)c->port);
	c->port = -1;
	unmap_ring(c);
}

void console_end(struct console *c)
{
	c->ended = true;
	console_disconnect(c);
	if (!c->d->name[0] && options.log_guest)
		snprintf(c->d->name, sizeof(c->d->name), "%u", c->d->id);
	if (options.log_guest && c->log.fd < 0 && history_logged(c->history) < history_end(c->history))
		console_open_log(c);
	feed_log(c);
	log_close(&c->log);
	history_set_died(c->history, (uint64_t)time(NULL));
	c->serial = 0;
	c->d = NULL;
	c->linger_until = loop_now() + LINGER;
	c->next_lingering = consoles.lingering;
	consoles.lingering = c;
}
