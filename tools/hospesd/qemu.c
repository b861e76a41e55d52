#include "qemu.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/problem.h"
#include "base/text.h"
#include "dom.h"
#include "host/host_qemus.h"
#include "ops.h"
#include "settings.h"
#include "xs.h"

static struct {
	char locks[128]; /* a socket's name and a little more */
	struct host_qemus how;
} qemu;

static void ended(uint32_t domid)
{
	struct dom *d = dom_find(domid);
	if (d)
		dom_log(d, "the QEMU that serves its images has ended: look at the end of %s/qemu-dm-%s.log",
			settings->log_dir, d->name);
	plug_qemu_ended(domid);
}

void qemu_open(void)
{
	snprintf(qemu.locks, sizeof(qemu.locks), "%s.qemu", settings->socket);
	qemu.how = (struct host_qemus){ settings->qemu, qemu.locks, settings->qemu_ms, ended };
	host_qemus_open(&qemu.how);
}

int qemu_have(struct dom *d, struct problem *p)
{
	char *log = xasprintf("%s/qemu-dm-%s.log", settings->log_dir, d->name), path[64], number[16];
	pid_t pid;
	int rc = host_qemus_have(d->id, log, &pid, p);
	free(log);
	if (rc <= 0)
		return rc;
	/* Where libxl looks for whom to end. */
	snprintf(path, sizeof(path), "/local/domain/%u/image/device-model-pid", d->id);
	snprintf(number, sizeof(number), "%d", pid);
	xs_write(path, number, NULL, NULL);
	return 0;
}
