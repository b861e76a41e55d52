/*
 * Every hypercall with any arguments, of a domain that may do everything and of one that may do nothing beyond itself, of both widths, which change each other and
 * now and then make or destroy a third. Hospes must not fault, and each call must come to its end.
 *
 * Input: a sequence of steps of 32 bytes, see step(). What is missing to a full sequence is made of chance seeded by what there is, so short inputs do as much as long ones.
 */
#include <stdlib.h>

#include "abi/domctl.h"
#include "abi/hospes.h"
#include "abi/sysctl.h"
#include "abi/xen.h"
#include "asm/host.h"
#include "hv/errno.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/p2m.h"
#include "hv/pcpu.h"
#include "hv/string.h"
#include "hv/trace.h"

#define RAM (16UL << 20)
#define PAGES 32u
#define ARG 0x3000UL
#define STEP 32u
#define MAX_STEPS 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All numbers with a handler, and one without. */
static const uint8_t calls[] = {
	HC_memory_op,
	HC_platform_op,
	HC_multicall,
	HC_set_timer_op,
	HC_xen_version,
	HC_console_io,
	HC_grant_table_op,
	HC_vm_assist,
	HC_vcpu_op,
	HC_sched_op,
	HC_event_channel_op,
	HC_physdev_op,
	HC_hvm_op,
	HC_sysctl,
	HC_domctl,
	HC_dm_op,
	HC_hypfs_op,
	HC_xenpmu_op,
	__HYPERVISOR_hospes_op,
};

/* An argument: a small number, an address, a page, something of the input, or an extreme. */
static uint64_t argument(uint8_t how, const uint8_t *s)
{
	uint64_t word;

	switch (how & 7) {
	case 0:
		return how >> 3;
	case 1 ... 3:
		return ARG + (uint64_t)(how >> 3) * 8;
	case 4:
		return (uint64_t)(how >> 3) << PAGE_SHIFT;
	case 5:
		memcpy(&word, s + 24, sizeof(word));
		return word;
	case 6:
		return ~0UL >> (how >> 3);
	default:
		return 1UL << ((how >> 3) * 2);
	}
}

/* Words of a structure: mostly small, for those that count, and each a step of its own in the input. */
static void structure(uint8_t *at, const uint8_t *s)
{
	uint64_t *words = (uint64_t *)(void *)at;

	for (unsigned i = 0; i < 16; i++)
		words[i] = argument(s[8 + i], s);
	if (s[7] & 1) /* packed smaller */
		memcpy(at, s + 8, 24);
}

/* Does a multicall of what lies at @arg, in either width, have an entry that may be deadly? */
static bool deadly_entry(const uint8_t *arg)
{
	uint32_t word;

	for (unsigned i = 0; i < 128; i += sizeof(word)) {
		memcpy(&word, arg + i, sizeof(word));
		if (word == HC_sched_op || word == HC_sysctl || word == HC_multicall)
			return true;
	}
	return false;
}

/* What would end the machine is not asked: keys that crash or reset it, and the end of the domain it runs for. */
static bool deadly(const struct domain *d, uint32_t nr, uint64_t op, const uint8_t *arg)
{
	uint32_t cmd;

	memcpy(&cmd, arg, sizeof(cmd));
	if (nr == HC_sched_op)
		return d->id == 0 && (op == 2 || op == 4 || op == 5);
	if (nr == HC_multicall)
		return op != ARG || deadly_entry(arg);
	return nr == HC_sysctl && cmd == XEN_SYSCTL_debug_keys;
}

/*
 * Byte 0: who, width, is a task pending; 1: which call; 2: operation; 3 to 6: how arguments are made; 7: of the structure; 8 to 23: its words; 24 to 31: a word for
 * where it is wanted.
 */
static void step(const uint8_t *s)
{
	struct domain *d = domain_get_by_id(s[0] & 1);
	uint32_t nr = calls[s[1] % ARRAY_SIZE(calls)];
	uint64_t a[5] = { s[2] % 96, argument(s[3], s), argument(s[4], s), argument(s[5], s), argument(s[6], s) };
	mfn_t m;
	uint8_t *arg;

	if (!d)
		return;
	m = p2m_lookup(d, gfn(ARG >> PAGE_SHIFT), NULL, NULL);
	if (!d->vcpu[0] || !mfn_is_ram(m) || read_once(d->dying)) {
		domain_put(d);
		return;
	}
	arg = mfn_to_virt(m);
	structure(arg, s);
	d->vcpu[0]->arch.guest32 = s[0] & 2;
	if (s[0] & 4)
		softirq_raise(0, SOFTIRQ_TASK);
	if (nr == HC_domctl || nr == HC_sysctl) {
		uint32_t head[3] = { a[0],
				     nr == HC_domctl ? XEN_DOMCTL_INTERFACE_VERSION : XEN_SYSCTL_INTERFACE_VERSION,
				     s[3] % 4 };

		memcpy(arg, head, nr == HC_domctl ? sizeof(head) : 8);
		a[0] = ARG;
	} else if (nr == HC_platform_op || (nr == HC_multicall && s[7] & 2)) {
		a[0] = ARG;
	} else if (s[7] & 4) {
		a[1] = ARG;
	}
	if (nr == HC_multicall)
		a[1] %= 3; /* all its entries are in the structure */
	if (!deadly(d, nr, a[0], arg))
		(void)host_hypercall(d->vcpu[0], nr, a[0], a[1], a[2], a[3], a[4]);
	domain_put(d);
	host_run_softirqs(0);
}

/* The next step: of the input, or made up. */
static void next_step(uint8_t *s, const uint8_t **data, size_t *size, uint64_t *seed)
{
	if (*size >= STEP) {
		memcpy(s, *data, STEP);
		*data += STEP;
		*size -= STEP;
		return;
	}
	for (; *size; (*data)++, (*size)--)
		*seed = (*seed ^ **data) * 1099511628211u;
	for (unsigned i = 0; i < STEP; i++) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		s[i] = (uint8_t)(*seed >> 56);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t seed = 1469598103934665603u;
	uint8_t s[STEP];

	trace_forget();
	host_machine(RAM, 2);
	(void)host_domain(0, 1, PAGES, ROLE_ALL);
	(void)host_domain(1, 2, PAGES, 0);
	for (unsigned n = 0; n < MAX_STEPS; n++) {
		next_step(s, &data, &size, &seed);
		step(s);
	}
	(void)host_log();
	return 0;
}
