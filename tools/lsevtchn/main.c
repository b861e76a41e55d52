/* lsevtchn: the event channels of a domain, one line for each that is open. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <abi/event_channel.h>

#include "hcall/hcall.h"

static void print(const struct evtchn_status *s)
{
	printf("%4u: VCPU %u: ", s->port, s->vcpu);
	switch (s->status) {
	case EVTCHNSTAT_unbound:
		printf("Interdomain (Waiting connection) - Remote Domain %u\n", s->u.unbound.dom);
		break;
	case EVTCHNSTAT_interdomain:
		printf("Interdomain (Connected) - Remote Domain %u, Port %u\n", s->u.interdomain.dom,
		       s->u.interdomain.port);
		break;
	case EVTCHNSTAT_pirq:
		printf("Physical IRQ %u\n", s->u.pirq);
		break;
	case EVTCHNSTAT_virq:
		printf("Virtual IRQ %u\n", s->u.virq);
		break;
	case EVTCHNSTAT_ipi:
		puts("IPI");
		break;
	default:
		puts("Unknown");
	}
}

int main(int argc, char **argv)
{
	uint32_t domid = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	struct hcall *h = hcall_open();

	if (!h)
		errx(1, "failed to open control interface");
	for (uint32_t port = 0;; port++) {
		struct evtchn_status s = { .dom = (domid_t)domid, .port = port };
		int rc = hcall_evtchn(h, EVTCHNOP_status, &s, sizeof(s));

		/* The first port that no table can hold. */
		if (rc == -EINVAL)
			return 0;
		if (rc) {
			errno = -rc;
			err(1, "cannot ask about port %u of domain %u", port, domid);
		}
		if (s.status != EVTCHNSTAT_closed)
			print(&s);
	}
}
