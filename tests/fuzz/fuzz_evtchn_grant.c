/*
 * Two domains do anything with event channels and grants, in any order, with anything as arguments, while they scribble over
 * their grant tables and shared pages and now and then one of them dies. Hospes must not fault, and at the end everything
 * is given back: no frame, no byte of heap, no reference stays.
 *
 * Input: a sequence of steps of 8 bytes, see step().
 */
#include <stdlib.h>

#include "abi/event_channel.h"
#include "abi/grant_table.h"
#include "abi/memory.h"
#include "asm/host.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/grant.h"
#include "hv/hypercall.h"
#include "hv/memory.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/string.h"

#define RAM (16UL << 20)
#define PAGES 16u
#define ARG 0x3000UL
#define TABLE_GFN 20u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct domain *d[2];
	uint64_t heap, frames; /* in use before any domain lived */
	bool up;
} world;

static void *guest(struct domain *d, uint64_t gpa)
{
	return (uint8_t *)mfn_to_virt(p2m_lookup(d, gfn(gpa >> PAGE_SHIFT), NULL, NULL)) + gpa % PAGE_SIZE;
}

static void birth(unsigned i)
{
	struct domain *d = host_domain((domid_t)(i + 1), 2, PAGES, i ? 0 : ROLE_CONTROL);

	if (physmap_add(d, XENMAPSPACE_grant_table, 0, gfn(TABLE_GFN)))
		abort();
	world.d[i] = d;
}

static void death(unsigned i)
{
	while (domain_kill(world.d[i]) == -ERESTART)
		host_run_softirqs(0);
	world.d[i] = NULL;
}

/* Eight bytes to the words an operation may look at: small numbers are more interesting than large ones. */
static void words(uint32_t *w, const uint8_t *s)
{
	for (unsigned i = 0; i < 10; i++)
		w[i] = s[2 + i % 6] % 24 * (s[1] & 0x40 && i == (s[1] & 7u) ? 0x01010101u : 1u);
}

static void evtchn_step(struct vcpu *v, const uint8_t *s)
{
	uint32_t w[10];

	words(w, s);
	memcpy(guest(v->domain, ARG), w, sizeof(w));
	/* Domain ids where a structure begins with them. */
	if (s[1] & 0x80)
		*(uint16_t *)guest(v->domain, ARG) = s[2] & 4 ? DOMID_SELF : 1 + (s[2] & 1);
	(void)host_hypercall(v, HC_event_channel_op, s[1] % 15, ARG, 0, 0, 0);
}

static void map_step(struct vcpu *v, const uint8_t *s)
{
	struct gnttab_map_grant_ref *op = guest(v->domain, ARG);

	for (unsigned i = 0; i < 4; i++)
		op[i] = (struct gnttab_map_grant_ref){
			(uint64_t)(s[2] % 48 + i) << PAGE_SHIFT, s[3] % 32, s[4] % 16, 1 + (s[5] & 1), 0, 0, 0
		};
	(void)host_hypercall(v, HC_grant_table_op, GNTTABOP_map_grant_ref, ARG, 1 + s[6] % 4, 0, 0);
}

static void unmap_step(struct vcpu *v, const uint8_t *s)
{
	struct gnttab_unmap_grant_ref *op = guest(v->domain, ARG);

	for (unsigned i = 0; i < 4; i++)
		op[i] = (struct gnttab_unmap_grant_ref){ (uint64_t)(s[2] % 48 + i) << PAGE_SHIFT, s[7] & 1,
							 s[4] % 24 + i, 0 };
	(void)host_hypercall(v, HC_grant_table_op, GNTTABOP_unmap_grant_ref, ARG, 1 + s[6] % 4, 0, 0);
}

static void copy_step(struct vcpu *v, const uint8_t *s)
{
	struct gnttab_copy *op = guest(v->domain, ARG);

	*op = (struct gnttab_copy){
		.source = { .u.gmfn = s[2] % 32,
			    .domid = s[3] & 1 ? DOMID_SELF : 1 + (s[3] >> 1 & 1),
			    .offset = s[4] * 17 },
		.dest = { .u.gmfn = s[5] % 32,
			  .domid = s[3] & 4 ? DOMID_SELF : 1 + (s[3] >> 3 & 1),
			  .offset = s[6] * 17 },
		.len = (uint16_t)(s[7] * 16),
		.flags = s[3] >> 4 & 3,
	};
	(void)host_hypercall(v, HC_grant_table_op, GNTTABOP_copy, ARG, 1, 0, 0);
}

static void scribble_step(struct domain *d, const uint8_t *s)
{
	struct grant_entry_v1 *e = guest(d, TABLE_GFN << PAGE_SHIFT);
	union grant_entry_v2 *e2 = guest(d, TABLE_GFN << PAGE_SHIFT);

	if (s[3] & 0x40)
		e2[s[2] % 16].sub_page.length = (uint16_t)(s[6] * 17);
	if (s[3] & 0x20) /* a transitive entry finds the other domain and reference here */
		e2[s[2] % 16] = (union grant_entry_v2){
			.transitive = { { s[3] | (s[4] & 2) << 7, 1 + (s[4] & 1) }, 1 + (s[4] >> 2 & 1), 0, s[5] % 40 }
		};
	else
		e[s[2] % 16] = (struct grant_entry_v1){ s[3], 1 + (s[4] & 1), s[5] % 40 };
	((uint8_t *)d->shared_info)[(s[6] << 8 | s[7]) % PAGE_SIZE] = s[4];
}

static void version_step(struct vcpu *v, const uint8_t *s)
{
	struct gnttab_set_version *op = guest(v->domain, ARG);

	op->version = 1 + (s[1] & 1);
	(void)host_hypercall(v, HC_grant_table_op, GNTTABOP_set_version, ARG, 1, 0, 0);
	/* Where the marks of version 2 are is the guest's to choose, and to spoil. */
	if (physmap_add(v->domain, XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, gfn(TABLE_GFN + 1)) == 0)
		((uint16_t *)guest(v->domain, (TABLE_GFN + 1) << PAGE_SHIFT))[s[2] % 16] = s[3];
}

/* Byte 0: what, and who. */
static void step(const uint8_t *s)
{
	unsigned who = s[0] & 1;
	struct domain *d = world.d[who];
	struct vcpu *v = d->vcpu[s[0] >> 1 & 1];

	v->arch.guest32 = s[0] & 0x80;
	if (s[0] & 0x40)
		softirq_raise(0, SOFTIRQ_TASK);
	switch (s[0] >> 2 & 7) {
	case 0:
	case 1:
		evtchn_step(v, s);
		break;
	case 2:
		map_step(v, s);
		break;
	case 3:
		unmap_step(v, s);
		break;
	case 4:
		copy_step(v, s);
		break;
	case 5:
		scribble_step(d, s);
		break;
	case 6:
		memcpy(guest(d, ARG), s + 2, 6);
		(void)host_hypercall(v, HC_grant_table_op, s[1] % 16, ARG, s[2] % 3, 0, 0);
		break;
	default:
		if (s[1] < 16) {
			death(who);
			birth(who);
		} else if (s[1] < 64) {
			version_step(v, s);
		} else {
			d->guest32 = s[1] & 1;
		}
	}
	host_run_softirqs(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!world.up) {
		host_machine(RAM, 1);
		/* Once in vain, so that what is kept for later lives is there. */
		birth(0);
		birth(1);
		death(0);
		death(1);
		world.heap = heap_bytes_used();
		world.frames = mm_free_frames();
		world.up = true;
	}
	birth(0);
	birth(1);
	for (; size >= 8 && size < 8 * 512; data += 8, size -= 8)
		step(data);
	death(0);
	death(1);
	(void)host_log();
	if (domain_next(0) || heap_bytes_used() != world.heap || mm_free_frames() != world.frames)
		abort();
	return 0;
}
