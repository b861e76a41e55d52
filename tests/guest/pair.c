/* guest: oracle=no compare=no */
/*
 * Two domains joined by the launch tree alone. `ping` (port 20, grants its gfn 0x300 as reference 8, writable) sends numbered messages through
 * its page, which `pong` (port 30) maps; pong answers in that page and in its own gfn 0x301 (reference 9, read-only), which ping copies.
 */
#include "lib/grants.h"

#define ROUNDS 1000u
#define WORDS 500u
#define PING_REF 8u
#define PONG_REF 9u
#define PING_GFN 0x300ul
#define PONG_GFN 0x301ul

/* What lies in a page: a question, and further up the answer to it. */
struct message {
	volatile uint32_t round, sum, word[WORDS];
};

static uint32_t port;
static volatile unsigned upcalls;

static long gnt(unsigned op, void *arg)
{
	return hypercall3(HC_grant_table_op, op, arg, 1);
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void fill(struct message *m, uint32_t round, uint32_t seed)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < WORDS; i++) {
		m->word[i] = next_random(&seed);
		sum += m->word[i] * (i + 1);
	}
	m->round = round;
	m->sum = sum;
}

static bool good(const struct message *m, uint32_t round)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < WORDS; i++)
		sum += m->word[i] * (i + 1);
	return m->round == round && m->sum == sum;
}

static void on_upcall(void)
{
	upcalls++;
	vcpu_info(0)[0] = 0;
	*(volatile unsigned long *)(vcpu_info(0) + sizeof(long)) = 0;
}

static void wait_by_upcall(void)
{
	while (!event_pending(port))
		halt();
	event_clear(port);
}

/* With an end, so that each wait sets a timer, and takes it back. */
static void wait_by_poll(void)
{
	while (!event_pending(port)) {
		struct sched_poll p = { &port, 1, now(0) + 1000000000ull };

		sched_op(3, &p);
	}
	event_clear(port);
}

/* The guest's own set-up of its table: what the tree has granted must still be there. */
static void set_up_table(uint32_t ref, unsigned long gfn, bool readonly)
{
	volatile struct entry *table = page_alloc(1);
	static unsigned long frames[4];
	struct {
		uint16_t dom;
		uint32_t nr;
		int16_t status;
		unsigned long *frames;
	} setup = { SELF, 4, 77, frames };
	uint32_t version = 1;

	check_eq("set_version", gnt(8, &version), 0);
	gnt(2, &setup);
	check_eq("map the table", mem_add(SELF, 1, 0, gfn_of(table)), 0);
	/* The peer may have mapped it already, which shows in bits 3 and 4. */
	check_eq("the static entry is there", table[ref].flags & ~0x18, readonly ? 5 : 1);
	check_eq("it is for the peer", table[ref].dom, other_domain());
	check_eq("it is of the page", (long)table[ref].frame, (long)gfn);
}

static void check_link(void)
{
	struct ev_status s = { .dom = SELF, .port = port };

	check_eq("status", ev_op(EV_status, &s), 0);
	check_eq("interdomain", s.status, 2);
	check_eq("with the peer", (long)(s.detail[0] & 0xffff), other_domain());
}

static bool differs(const char *what, uint32_t round, long got, long want)
{
	if (got == want)
		return false;
	say("WRONG %s in round %u: got %ld, want %ld\n", what, round, got, want);
	return true;
}

static void ping(void)
{
	struct message *page = (void *)(PING_GFN * PAGE), *answer = page + 1, *copied = page_alloc(1);
	struct map m = { gfn_of(page_alloc(1)) * PAGE, 2, PONG_REF, other_domain(), 77, 0, 0 };
	unsigned wrong = 0;

	port = 20;
	set_up_table(PING_REF, PING_GFN, false);
	check_link();
	gnt(0, &m);
	check_eq("mapping a read-only grant to write fails", m.status < 0, 1);
	apic_enable();
	upcall_enable(0, 0x50, on_upcall);
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		struct copy c = {
			{ PONG_REF, other_domain(), 0 }, { gfn_of(copied), SELF, 0 }, sizeof(*copied), 1, 77
		};

		fill(page, i, i * 77);
		wrong += differs("send", i, ev_port_op(EV_send, port), 0);
		wait_by_upcall();
		wrong += differs("answer", i, good(answer, i), true);
		gnt(5, &c);
		wrong += differs("copy", i, c.status, 0) || differs("copied", i, good(copied, i + 0x10000), true);
	}
	ev_port_op(EV_send, port); /* the peer may go: nothing of it is needed any more */
	check_eq("upcalls", upcalls > 0, 1);
	say("PAIR ping: %u rounds, %u wrong\n", ROUNDS, wrong);
}

static void pong(void)
{
	struct message *own = (void *)(PONG_GFN * PAGE), *page = page_alloc(1), *answer = page + 1;
	struct map m = { gfn_of(page) * PAGE, 2, PING_REF, other_domain(), 77, 0, 0 };
	struct unmap u;
	unsigned wrong = 0;

	port = 30;
	set_up_table(PONG_REF, PONG_GFN, true);
	check_link();
	gnt(0, &m);
	check_eq("mapped", m.status, 0);
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		wait_by_poll();
		wrong += differs("question", i, good(page, i), true);
		fill(answer, i, i * 99);
		fill(own, i + 0x10000, i * 55);
		wrong += differs("send", i, ev_port_op(EV_send, port), 0);
	}
	wait_by_poll();
	u = (struct unmap){ gfn_of(page) * PAGE, 0, m.handle, 77 };
	gnt(1, &u);
	check_eq("unmapped", u.status, 0);
	say("PAIR pong: %u rounds, %u wrong\n", ROUNDS, wrong);
}

/* The end of a domain is the affair of all: where only what they do together is to be seen, they stay. */
static bool stays(void)
{
	for (const char *s = cmdline(); *s; s++)
		if (!memcmp(s, "stay", 4))
			return true;
	return false;
}

void guest_main(void)
{
	_Static_assert(2 * sizeof(struct message) <= PAGE, "question and answer share a page");
	shared_info();
	if (cmdline()[1] == 'i')
		ping();
	else
		pong();
	while (stays())
		sched_op(1, NULL);
}
