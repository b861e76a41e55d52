/* guest: vcpus=2 */
/*
 * event_channel_op, FIFO: set-up with good and bad arguments, words and heads after each step, order and priorities, masks, ports
 * that move, what was pending before, rubbish in words, and back to 2-level. Ports are named from the first one opened here.
 */
#include "lib/ops.h"

#define PENDING (1u << 31)
#define MASKED (1u << 30)
#define LINKED (1u << 29)
#define LINK 0x1ffffu

#define PORTS 6u

struct control {
	uint32_t ready, pad, head[16];
};

static volatile uint32_t *words;
static volatile struct control *control[2];
static uint32_t head[2][16], port[PORTS + 4];
static volatile unsigned upcalls;

static void on_upcall(void)
{
	upcalls++;
}

static int name(uint32_t p)
{
	return p ? (int)(p - port[0]) : -1;
}

static long init(unsigned vcpu, const volatile void *page, uint32_t offset)
{
	struct {
		uint64_t gfn;
		uint32_t offset, vcpu;
		uint8_t link_bits, pad[7];
	} c = { gfn_of(page), offset, vcpu, 0, { 0 } };
	long rc = ev_op(EV_init_control, &c);

	if (!rc)
		say("link bits %u\n", c.link_bits);
	return rc;
}

static long expand(const volatile void *page)
{
	uint64_t gfn = gfn_of(page);

	return ev_op(EV_expand_array, &gfn);
}

static long priority(uint32_t p, uint32_t level)
{
	uint32_t arg[2] = { p, level };

	return ev_op(EV_set_priority, arg);
}

static long bind_to(uint32_t p, uint32_t vcpu)
{
	struct ev_bind_vcpu b = { p, vcpu };

	return ev_op(EV_bind_vcpu, &b);
}

static void word(const char *what, uint32_t p)
{
	uint32_t w = words[p];

	say("%s: port %d%s%s%s link %d\n", what, name(p), w & PENDING ? " pending" : "", w & MASKED ? " masked" : "",
	    w & LINKED ? " linked" : "", name(w & LINK));
}

static void block(const char *what, unsigned vcpu)
{
	say("%s: ready %x upcall %d\n", what, control[vcpu]->ready, vcpu_info(vcpu)[0] != 0);
	for (unsigned q = 0; q < 16; q++)
		if (control[vcpu]->ready >> q & 1)
			say("%s: head of %u is %d\n", what, q, name(control[vcpu]->head[q]));
}

static uint32_t take_link(uint32_t p)
{
	uint32_t old = words[p];

	while (!__atomic_compare_exchange_n(&words[p], &old, old & ~(LINKED | LINK), false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST))
		;
	return old & LINK;
}

/* Take all events of @vcpu in order and say which; bounded, for words may be rubbish. */
static void consume(const char *what, unsigned vcpu)
{
	uint32_t ready = 0;

	vcpu_info(vcpu)[0] = 0;
	say("%s:", what);
	for (unsigned n = 0; n < 50; n++) {
		unsigned q;
		uint32_t p;

		ready |= __atomic_exchange_n(&control[vcpu]->ready, 0, __ATOMIC_SEQ_CST);
		if (!ready)
			break;
		q = (unsigned)__builtin_ctz(ready);
		p = head[vcpu][q] ? head[vcpu][q] : control[vcpu]->head[q];
		head[vcpu][q] = take_link(p);
		if (!head[vcpu][q])
			ready &= ~(1u << q);
		if (words[p] & MASKED)
			say(" (%d)", name(p));
		else if (__atomic_fetch_and(&words[p], ~PENDING, __ATOMIC_SEQ_CST) & PENDING)
			say(" %d", name(p));
		else
			say(" [%d]", name(p));
	}
	say("\n");
}

static void send(unsigned i)
{
	long rc = ev_port_op(EV_send, port[i]);

	if (rc)
		showf(rc, "send %u", i);
}

static void set_up(void)
{
	uint8_t *page = page_alloc(1), *array = page_alloc(1);

	control[0] = (void *)page;
	control[1] = (void *)(page + 512);
	words = (void *)array;
	show("priority without control", priority(port[0], 3));
	show("expand without control", expand(array));
	show("init_control of vCPU 2", init(2, page, 0));
	show("init_control unaligned", init(0, page, 4));
	show("init_control across the end", init(0, page, 4032));
	show("init_control nowhere", init(0, NOWHERE, 0));
	/* Pending in 2-level form: it comes with the word. */
	vcpu_info(0)[0] = 0;
	send(5);
	say("2-level: pending %d\n", event_pending(port[5]));
	show("init_control", init(0, page, 0));
	show("init_control again", init(0, page, 128));
	block("before the array", 0);
	show("expand nowhere", expand(NOWHERE));
	show("expand", expand(array));
	word("carried over", port[5]);
	block("carried over", 0);
	show("init_control of vCPU 1", init(1, page, 512));
	show("init_control at the end", init(1, page, 4024));
	consume("first", 0);
}

static void order(void)
{
	for (unsigned i = 0; i < 4; i++)
		send(i);
	for (unsigned i = 0; i < 4; i++)
		word("linked", port[i]);
	block("linked", 0);
	send(1);
	word("twice", port[1]);
	consume("in order", 0);
	show("priority 0", priority(port[3], 0));
	show("priority 15", priority(port[0], 15));
	show("priority 16", priority(port[0], 16));
	show("priority -1", priority(port[0], ~0u));
	show("priority of a closed port", priority(900, 1));
	show("priority of no port", priority(0x20000, 1));
	for (unsigned i = 0; i < 5; i++)
		send(i);
	block("by priority", 0);
	consume("by priority", 0);
	/* Changed while linked: stays where it is this time. */
	send(2);
	priority(port[2], 0);
	send(4);
	consume("changed while linked", 0);
	send(4);
	send(2);
	consume("and then", 0);
	priority(port[2], 7);
	priority(port[0], 7);
	priority(port[3], 7);
}

static void masks(void)
{
	words[port[1]] = MASKED;
	send(1);
	word("sent masked", port[1]);
	block("sent masked", 0);
	show("unmask", ev_port_op(EV_unmask, port[1]));
	word("unmasked", port[1]);
	block("unmasked", 0);
	show("unmask again", ev_port_op(EV_unmask, port[1]));
	consume("unmasked", 0);
	send(1);
	send(2);
	words[port[1]] |= MASKED;
	consume("masked while linked", 0);
	word("masked while linked", port[1]);
	ev_port_op(EV_unmask, port[1]);
	consume("unmasked later", 0);
	show("unmask nothing", ev_port_op(EV_unmask, port[1]));
	word("unmask nothing", port[1]);
}

static void moving(void)
{
	long p = ev_unbound(SELF, SELF), q = ev_interdomain(SELF, (uint32_t)p);

	port[PORTS] = (uint32_t)p;
	port[PORTS + 1] = (uint32_t)q;
	consume("bound", 0);
	send(PORTS + 1);
	word("interdomain", port[PORTS]);
	consume("interdomain", 0);
	/* The last of a queue moves: that queue starts anew. */
	show("bind to vCPU 1", bind_to(port[PORTS], 1));
	send(PORTS + 1);
	send(0);
	word("moved", port[PORTS]);
	word("stayed", port[0]);
	block("moved", 1);
	block("stayed", 0);
	consume("vCPU 0", 0);
	/* Bound elsewhere while linked: delivered once more where it is linked. */
	bind_to(port[PORTS], 0);
	send(PORTS + 1);
	block("linked still", 1);
	consume("vCPU 1", 1);
	send(PORTS + 1);
	consume("back on vCPU 0", 0);
	send(PORTS + 1);
	show("close while linked", ev_port_op(EV_close, port[PORTS]));
	word("closed", port[PORTS]);
	consume("closed", 0);
	ev_port_op(EV_close, port[PORTS + 1]);
}

static void polling(void)
{
	struct sched_poll poll = { &port[2], 1, 1 };

	words[port[2]] = MASKED;
	send(2);
	show("poll a pending port", sched_op(3, &poll));
	words[port[2]] = 0;
	show("poll with a timeout gone by", sched_op(3, &poll));
}

/* What the interrupt does: one upcall for what became ready while it was taken. */
static void upcall(void)
{
	consume("before", 0);
	upcalls = 0;
	send(0);
	send(1);
	irq_on();
	for (int i = 0; i < 100; i++)
		asm volatile("pause");
	irq_off();
	say("%u upcalls\n", upcalls);
	consume("after", 0);
}

/* Links in a circle and to nowhere, heads of rubbish: sends end, and after a clean start all is well. */
static void rubbish(void)
{
	for (unsigned i = 0; i < PORTS; i++)
		send(i);
	for (unsigned i = 0; i < PORTS; i++)
		words[port[i]] = LINKED | port[(i + 1) % PORTS];
	for (unsigned i = 0; i < PORTS; i++)
		send(i);
	for (unsigned i = 0; i < PORTS; i++)
		words[port[i]] = i * 0x9e3779b9u | LINKED;
	for (unsigned q = 0; q < 16; q++)
		control[0]->head[q] = q * 0x9e3779b9u;
	for (unsigned i = 0; i < PORTS; i++)
		send(i);
	for (unsigned i = 0; i < PORTS; i++)
		words[port[i]] = 0;
	memset((void *)control[0], 0, sizeof(*control[0]));
	memset(head, 0, sizeof(head));
	vcpu_info(0)[0] = 0;
	for (unsigned i = 0; i < PORTS; i++)
		send(i);
	consume("after rubbish", 0);
}

/* More ports than there are words: they wait for the next page. */
static void beyond(void)
{
	uint32_t last = 0, *more = page_alloc(1);
	long p;

	for (unsigned i = 0; i < 1015 && (p = ev_ipi(0)) > 0; i++)
		last = (uint32_t)p;
	check_eq("ports within the first page", last > 1000 && last < 1024, 1);
	showf(expand(more), "expand once more");
	for (unsigned i = 2; i < 128; i++) {
		long rc = expand(more);

		if (rc)
			showf(rc, "expand %u", i);
	}
	show("expand beyond the end", expand(more));
}

void guest_main(void)
{
	uint16_t self = SELF;

	apic_enable();
	upcall_enable(0, 0x50, on_upcall);
	for (unsigned i = 0; i < PORTS; i++) {
		port[i] = (uint32_t)ev_ipi(0);
		check_eq("port", i == 0 || port[i] == port[i - 1] + 1, 1);
	}
	set_up();
	order();
	masks();
	moving();
	polling();
	upcall();
	rubbish();
	beyond();
	show("reset", ev_op(EV_reset, &self));
	show("expand after reset", expand(words));
	port[0] = (uint32_t)ev_ipi(0);
	send(0);
	say("2-level again: pending %d, word %x\n", event_pending(port[0]), words[port[0]]);
}
