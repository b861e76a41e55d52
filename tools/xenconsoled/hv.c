#include "hv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/sysctl.h"
#include "abi/xen.h"
#include "hcall/evtchn.h"
#include "hcall/gnttab.h"
#include "hcall/hcall.h"
#include "log.h"
#include "options.h"

#define READ_SIZE 16384u

static struct {
	struct hcall *calls;
	struct evtchn *events;
	struct gnttab *grants;
	struct log log;
	char *buffer;
	uint32_t index; /* up to which the hypervisor's ring was read */
	int port;
} hv = { .log.fd = -1, .port = -1 };

static void need(const void *p, const char *what)
{
	if (p)
		return;
	notice("%s: %s. Is this domain 0, and are the modules xen-evtchn, xen-gntdev and xen-privcmd there?", what,
	       strerror(errno));
	exit(1);
}

void hv_open(void)
{
	hv.calls = hcall_open();
	need(hv.calls, "hypercalls");
	hv.events = evtchn_open();
	need(hv.events, "event channels");
	hv.grants = gnttab_open();
	need(hv.grants, "grants");
}

struct hcall *hv_calls(void)
{
	return hv.calls;
}

struct evtchn *hv_events(void)
{
	return hv.events;
}

struct gnttab *hv_grants(void)
{
	return hv.grants;
}

/* What it said since. */
static void take(void)
{
	struct xen_sysctl op;

	do {
		op = (struct xen_sysctl){ .cmd = XEN_SYSCTL_readconsole };
		op.u.readconsole.incremental = 1;
		op.u.readconsole.index = hv.index;
		op.u.readconsole.count = READ_SIZE;
		op.u.readconsole.buffer = hcall_address(hv.calls, hv.buffer);
		if (hcall_sysctl(hv.calls, &op))
			return;
		hv.index = op.u.readconsole.index;
		log_write(&hv.log, hv.buffer, op.u.readconsole.count);
	} while (op.u.readconsole.count);
}

void hv_log_start(void)
{
	if (!options.log_hv)
		return;
	hv.buffer = hcall_alloc(hv.calls, READ_SIZE);
	need(hv.buffer, "hypercall buffer");
	log_open(&hv.log, "hypervisor", options.time_hv, false);
	hv.port = evtchn_bind_virq(hv.events, VIRQ_CON_RING);
	if (hv.port < 0)
		notice("the hypervisor's console tells of nothing new: %s", strerror(-hv.port));
	take();
}

void hv_log_reopen(void)
{
	if (!options.log_hv)
		return;
	log_close(&hv.log);
	log_open(&hv.log, "hypervisor", options.time_hv, false);
}

bool hv_log_event(int port)
{
	if (port != hv.port)
		return false;
	take();
	return true;
}
