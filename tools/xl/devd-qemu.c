#include "devd-qemu.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"
#include "host/host_qemus.h"

#define END_MS 20000 /* until one that does not end by itself is killed */

static struct {
	struct host_qemus how;
	const char *log_dir;
	void (*gone)(unsigned domid, bool asked);
	bool (*needed)(unsigned domid); /* during a sweep */
} qemu = { .how = { QEMU_XEN, "/run/xldevd.qemu", END_MS, NULL }, .log_dir = "/var/log/xen" };

static void ended_by_itself(unsigned domid)
{
	qemu.gone(domid, false);
}

static void tell_end(void *domid)
{
	qemu.gone((unsigned)(uintptr_t)domid, true);
}

static void ended_when_asked(void *domid)
{
	loop_defer(tell_end, domid); /* where none ran, who asked is still at it */
}

void devd_qemu_open(const char *fake, void (*gone)(unsigned domid, bool asked))
{
	const char *end_ms = getenv("XL_DEVD_FAKE_END_MS");

	if (fake) {
		qemu.how.program = xasprintf("%s/qemu", fake);
		qemu.how.locks = xasprintf("%s/xldevd.qemu", fake);
		qemu.how.end_ms = end_ms ? (unsigned)strtoul(end_ms, NULL, 10) : END_MS;
		qemu.log_dir = fake;
	}
	qemu.gone = gone;
	qemu.how.ended = ended_by_itself;
	host_qemus_open(&qemu.how);
}

int devd_qemu_have(unsigned domid, struct problem *p)
{
	char *log = xasprintf("%s/qdisk-%u.log", qemu.log_dir, domid);
	pid_t pid;
	int rc = host_qemus_have(domid, log, &pid, p);

	free(log);
	return rc < 0 ? rc : 0;
}

void devd_qemu_end(unsigned domid)
{
	host_qemus_end(domid, ended_when_asked, (void *)(uintptr_t)domid);
}

static void end_if_not_needed(unsigned domid)
{
	if (!qemu.needed(domid))
		devd_qemu_end(domid);
}

void devd_qemu_sweep(bool (*needed)(unsigned domid))
{
	qemu.needed = needed;
	host_qemus_each(end_if_not_needed);
}
