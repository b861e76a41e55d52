/*
 * The FIFO ABI (EVTCHNOP 11 to 13) with a consumer that does what guests do: queues and priorities, what was pending before there was a word,
 * moving between vCPUs, reset; guests that scribble over words and heads; and several CPUs at once, where no event may be lost.
 */
#include <pthread.h>

#include "abi/event_channel.h"
#include "abi/xen.h"
#include "guest_test.h"

#define PENDING (1u << 31)
#define MASKED (1u << 30)
#define LINKED (1u << 29)
#define BUSY (1u << 28)
#define LINK 0x1ffffu

#define CONTROL_PAGE 8UL /* gfns of a: control blocks of its vCPUs, then words */
#define WORDS_PAGE 9UL

static struct domain *a, *b;

static int setup(void **state)
{
	host_machine(RAM, 4);
	a = host_domain(1, 4, 32, 0);
	b = host_domain(2, 2, 32, 0);
	return 0;
}

static int teardown(void **state)
{
	kill_domain(a);
	kill_domain(b);
	return 0;
}

static long op(struct vcpu *v, unsigned cmd, void *arg, size_t size)
{
	return call_arg(v, HC_event_channel_op, cmd, arg, size);
}

#define OP(v, cmd, arg) op((v), EVTCHNOP_##cmd, &(arg), sizeof(arg))

static long init_control(unsigned vcpu, uint64_t g, uint32_t offset)
{
	struct evtchn_init_control c = { .control_gfn = g, .offset = offset, .vcpu = vcpu };
	long rc = OP(a->vcpu[0], init_control, c);

	assert_int_equal(c.link_bits, rc ? 0 : 17);
	return rc;
}

static long expand(uint64_t g)
{
	struct evtchn_expand_array e = { g };

	return OP(a->vcpu[0], expand_array, e);
}

static void start_fifo(void)
{
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(init_control(i, CONTROL_PAGE, i * 256), 0);
	assert_int_equal(expand(WORDS_PAGE), 0);
}

static struct evtchn_fifo_control_block *block(unsigned vcpu)
{
	return (void *)((uint8_t *)gpa_ptr(a, CONTROL_PAGE << PAGE_SHIFT) + vcpu * 256);
}

static uint32_t *word(evtchn_port_t port)
{
	return (uint32_t *)gpa_ptr(a, WORDS_PAGE << PAGE_SHIFT) + port;
}

static evtchn_port_t unbound(struct domain *d, domid_t remote)
{
	struct evtchn_alloc_unbound u = { DOMID_SELF, remote, 0 };

	assert_int_equal(OP(d->vcpu[0], alloc_unbound, u), 0);
	return u.port;
}

/* A port of a, whose other end is the port of b that is returned. */
static evtchn_port_t joined(evtchn_port_t *far)
{
	evtchn_port_t port = unbound(a, 2);
	struct evtchn_bind_interdomain i = { 1, port, 0 };

	assert_int_equal(OP(b->vcpu[0], bind_interdomain, i), 0);
	*far = i.local_port;
	return port;
}

static void send_to(evtchn_port_t far)
{
	struct evtchn_send s = { far };

	assert_int_equal(OP(b->vcpu[0], send, s), 0);
}

static long unmask(evtchn_port_t port)
{
	struct evtchn_unmask u = { port };

	return OP(a->vcpu[0], unmask, u);
}

static long set_priority(evtchn_port_t port, uint32_t priority)
{
	struct evtchn_set_priority p = { port, priority };

	return OP(a->vcpu[0], set_priority, p);
}

static long bind_vcpu(evtchn_port_t port, uint32_t vcpu)
{
	struct evtchn_bind_vcpu bv = { port, vcpu };

	return OP(a->vcpu[0], bind_vcpu, bv);
}

/* A guest's side of one vCPU, as the ABI's design describes it. */
struct consumer {
	unsigned vcpu;
	uint32_t head[16];
	uint32_t ready;
};

static uint32_t clear_linked(uint32_t *w)
{
	uint32_t old = __atomic_load_n(w, __ATOMIC_SEQ_CST), new;

	do
		new = old & ~(LINKED | LINK);
	while (!__atomic_compare_exchange_n(w, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return old & LINK;
}

/* The next pending port, unmasked, or 0. Its pending bit is taken. */
static evtchn_port_t consume(struct consumer *c)
{
	struct evtchn_fifo_control_block *cb = block(c->vcpu);

	for (;;) {
		unsigned q;
		uint32_t port, *w;

		c->ready |= __atomic_exchange_n(&cb->ready, 0, __ATOMIC_SEQ_CST);
		if (!c->ready)
			return 0;
		q = (unsigned)__builtin_ctz(c->ready);
		port = c->head[q] ? c->head[q] : __atomic_load_n(&cb->head[q], __ATOMIC_SEQ_CST);
		w = word(port);
		c->head[q] = clear_linked(w);
		if (!c->head[q])
			c->ready &= ~(1u << q);
		if ((__atomic_load_n(w, __ATOMIC_SEQ_CST) & MASKED) ||
		    !(__atomic_fetch_and(w, ~PENDING, __ATOMIC_SEQ_CST) & PENDING))
			continue;
		return port;
	}
}

static bool upcall(unsigned vcpu)
{
	struct vcpu_info *info = a->vcpu[vcpu]->vcpu_info;

	return __atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
}

static void test_errors(void **state)
{
	evtchn_port_t p = unbound(a, 2);

	assert_int_equal(expand(WORDS_PAGE), -EOPNOTSUPP);
	assert_int_equal(set_priority(p, 3), -ENOSYS);
	assert_int_equal(init_control(4, CONTROL_PAGE, 0), -ENOENT);
	assert_int_equal(init_control(0, CONTROL_PAGE, 4), -EINVAL);
	assert_int_equal(init_control(0, CONTROL_PAGE, PAGE_SIZE - 64), -EINVAL);
	assert_int_equal(init_control(0, 1000, 0), -EINVAL);
	assert_int_equal(init_control(0, ~0UL, 0), -EINVAL);
	host_take_memory(0);
	/* The argument's page is there already, only the state is wanting. */
	while (init_control(0, CONTROL_PAGE, 0) == -ENOMEM)
		host_give_back();
	host_give_back();
	assert_int_equal(init_control(0, CONTROL_PAGE, 256), -EINVAL);
	assert_int_equal(init_control(1, CONTROL_PAGE, PAGE_SIZE - 72), 0);
	assert_int_equal(expand(1000), -EINVAL);
	assert_int_equal(set_priority(p, 16), -EINVAL);
	assert_int_equal(set_priority(p, 15), 0);
	for (unsigned i = 0; i < 128; i++)
		assert_int_equal(expand(WORDS_PAGE), 0);
	assert_int_equal(expand(WORDS_PAGE), -ENOSPC);
}

static void test_order(void **state)
{
	struct consumer c = { 0 };
	evtchn_port_t port[6], far[6];

	start_fifo();
	for (unsigned i = 0; i < 6; i++)
		port[i] = joined(&far[i]);
	while (consume(&c))
		; /* of binding */
	(void)upcall(0);
	for (unsigned i = 0; i < 6; i++)
		send_to(far[i]);
	assert_true(upcall(0));
	assert_int_equal(block(0)->ready, 1u << 7);
	assert_int_equal(block(0)->head[7], port[0]);
	assert_int_equal(*word(port[0]), PENDING | LINKED | port[1]);
	assert_int_equal(*word(port[5]), PENDING | LINKED);
	for (unsigned i = 0; i < 6; i++) {
		send_to(far[i]); /* once more changes nothing */
		assert_int_equal(consume(&c), port[i]);
	}
	assert_int_equal(consume(&c), 0);
	/* More urgent ones first, later ones of a queue behind earlier ones. */
	assert_int_equal(set_priority(port[3], 0), 0);
	assert_int_equal(set_priority(port[1], 15), 0);
	for (unsigned i = 0; i < 6; i++)
		send_to(far[i]);
	assert_int_equal(block(0)->ready, 1u << 15 | 1u << 7 | 1u);
	assert_int_equal(consume(&c), port[3]);
	assert_int_equal(consume(&c), port[0]);
	send_to(far[0]);
	assert_int_equal(consume(&c), port[2]);
	assert_int_equal(consume(&c), port[4]);
	assert_int_equal(consume(&c), port[5]);
	assert_int_equal(consume(&c), port[0]);
	assert_int_equal(consume(&c), port[1]);
	assert_int_equal(consume(&c), 0);
}

static void test_mask(void **state)
{
	struct consumer c = { 0 };
	evtchn_port_t far, port;

	start_fifo();
	port = joined(&far);
	while (consume(&c))
		;
	(void)upcall(0);
	*word(port) = MASKED;
	send_to(far);
	assert_int_equal(*word(port), MASKED | PENDING);
	assert_false(upcall(0));
	assert_int_equal(evtchn_port_pending(a, port), 1);
	assert_int_equal(unmask(port), 0);
	assert_int_equal(*word(port), PENDING | LINKED);
	assert_true(upcall(0));
	assert_int_equal(consume(&c), port);
	assert_int_equal(unmask(port), 0);
	assert_int_equal(*word(port), 0);
	/* Masked while linked: the guest drops it, and the unmask links it again. */
	send_to(far);
	*word(port) |= MASKED;
	assert_int_equal(consume(&c), 0);
	assert_int_equal(*word(port), PENDING | MASKED);
	assert_int_equal(unmask(port), 0);
	assert_int_equal(consume(&c), port);
	/* Closed while linked. */
	send_to(far);
	struct evtchn_close cl = { port };
	assert_int_equal(OP(a->vcpu[0], close, cl), 0);
	assert_int_equal(*word(port), LINKED);
	assert_int_equal(consume(&c), 0);
}

/* A port that moves takes its tail along. */
static void test_move(void **state)
{
	struct consumer c0 = { .vcpu = 0 }, c1 = { .vcpu = 1 };
	evtchn_port_t far[3], port[3];

	start_fifo();
	for (unsigned i = 0; i < 3; i++)
		port[i] = joined(&far[i]);
	while (consume(&c0))
		;
	send_to(far[0]);
	assert_int_equal(consume(&c0), port[0]);
	/* It was the last of queue 7 of vCPU 0. Linked elsewhere it must not be extended from there. */
	assert_int_equal(bind_vcpu(port[0], 1), 0);
	send_to(far[0]);
	send_to(far[1]);
	assert_int_equal(*word(port[0]), PENDING | LINKED);
	assert_int_equal(block(0)->head[7], port[1]);
	assert_int_equal(consume(&c1), port[0]);
	assert_int_equal(consume(&c0), port[1]);
	/* Still linked on the old vCPU when bound to another: delivered there. */
	send_to(far[2]);
	assert_int_equal(bind_vcpu(port[2], 1), 0);
	send_to(far[2]);
	assert_int_equal(consume(&c1), 0);
	assert_int_equal(consume(&c0), port[2]);
	send_to(far[2]);
	assert_int_equal(consume(&c1), port[2]);
}

/* Raised in 2-level form, and for want of a word: both come with the page. */
static void test_early(void **state)
{
	struct consumer c = { 0 };
	evtchn_port_t far[2], port[2];

	port[0] = joined(&far[0]);
	send_to(far[0]);
	assert_true(((struct shared_info *)a->shared_info)->evtchn_pending[0] >> port[0] & 1);
	assert_int_equal(init_control(0, CONTROL_PAGE, 0), 0);
	port[1] = joined(&far[1]);
	send_to(far[1]);
	assert_int_equal(evtchn_port_pending(a, port[1]), 0);
	assert_int_equal(block(0)->ready, 0);
	assert_int_equal(expand(WORDS_PAGE), 0);
	assert_int_equal(consume(&c), port[0]);
	assert_int_equal(consume(&c), port[1]);
	assert_int_equal(consume(&c), 0);
}

static void test_many_ports(void **state)
{
	evtchn_port_t last = 0, far;

	start_fifo();
	/* More than the 2-level ABI could name. */
	for (unsigned i = 0; i < 5000; i++)
		last = unbound(a, 2);
	assert_true(last > 4096);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(expand(WORDS_PAGE + i), 0);
	struct evtchn_bind_interdomain i = { 1, last, 0 };
	assert_int_equal(OP(b->vcpu[0], bind_interdomain, i), 0);
	far = i.local_port;
	send_to(far);
	assert_int_equal(block(0)->head[7], last);
	assert_int_equal(((uint32_t *)gpa_ptr(a, (WORDS_PAGE + last / 1024) << PAGE_SHIFT))[last % 1024],
			 PENDING | LINKED);
}

/* Back to 2-level: the pages are the guest's again, ports work, and it can begin anew. */
static void test_reset(void **state)
{
	struct evtchn_reset r = { DOMID_SELF };
	struct frame *control = mfn_to_frame(p2m_lookup(a, gfn(CONTROL_PAGE), NULL, NULL));
	struct frame *words = mfn_to_frame(p2m_lookup(a, gfn(WORDS_PAGE), NULL, NULL));
	evtchn_port_t far, port;

	for (unsigned round = 0; round < 3; round++) {
		struct consumer c = { 0 };

		start_fifo();
		assert_int_equal(control->refs, 5);
		assert_int_equal(words->refs, 2);
		port = joined(&far);
		assert_int_equal(consume(&c), 0); /* b's end is the one that was raised */
		send_to(far);
		assert_int_equal(consume(&c), port);
		assert_int_equal(OP(a->vcpu[0], reset, r), 0);
		assert_int_equal(control->refs, 1);
		assert_int_equal(words->refs, 1);
		memset(word(0), 0, PAGE_SIZE);
		memset(block(0), 0, PAGE_SIZE);
		port = joined(&far);
		send_to(far);
		assert_true(((struct shared_info *)a->shared_info)->evtchn_pending[0] >> port & 1);
		assert_int_equal(*word(port), 0);
		assert_int_equal(OP(a->vcpu[0], reset, r), 0);
	}
}

/* Links in circles, to themselves, to nowhere; heads and words of rubbish: every send ends, and a guest that starts over is served again. */
static void test_hostile(void **state)
{
	evtchn_port_t far[8], port[8];
	uint64_t rng = 88172645463325252UL;

	start_fifo();
	for (unsigned i = 0; i < 8; i++)
		port[i] = joined(&far[i]);
	for (unsigned round = 0; round < 20000; round++) {
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		uint32_t value = (uint32_t)(rng >> 16);

		switch (rng % 8) {
		case 0:
			*word(port[rng >> 50 & 7]) = value;
			break;
		case 1:
			*word(port[rng >> 50 & 7]) = LINKED | (value & (PENDING | MASKED | BUSY)) | port[value & 7];
			break;
		case 2:
			block(value & 3)->head[rng >> 60] = (uint32_t)rng;
			block(value & 3)->ready = (uint32_t)(rng >> 32);
			break;
		case 3:
			assert_int_equal(bind_vcpu(port[value & 7], rng >> 60 & 3), 0);
			break;
		case 4:
			assert_int_equal(set_priority(port[value & 7], (uint32_t)(rng >> 60)), 0);
			break;
		case 5:
			assert_int_equal(unmask(port[value & 7]), 0);
			break;
		default:
			send_to(far[rng >> 40 & 7]);
		}
	}
	/* Its own fault is mended by itself. */
	memset(word(0), 0, PAGE_SIZE);
	memset(block(0), 0, PAGE_SIZE);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(bind_vcpu(port[i], 0), 0);
		assert_int_equal(set_priority(port[i], 7), 0);
	}
	struct consumer c = { 0 };
	for (unsigned i = 0; i < 8; i++)
		send_to(far[i]);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(consume(&c), port[i]);
}

/* Races ------------------------------------------------------------------------------------------------- */

#define RACERS 2u
#define PORTS 12u
#define SENDS 30000u

static struct {
	evtchn_port_t port[PORTS], far[PORTS];
	uint64_t sent[PORTS], seen[PORTS]; /* a sender counts, then sends; who consumes notes the count it saw */
	unsigned running;
	bool stop, over, hostile; /* the mover's end; nobody sends or unmasks any more */
} race;

/* The hypercall's argument lies in the page of the calling thread. */
static void racer_op(struct domain *d, unsigned vcpu, unsigned cmd, const void *arg, size_t size)
{
	uint64_t gpa = 0x10000 + vcpu * PAGE_SIZE + (d == a ? 0x4000 : 0);

	memcpy(gpa_ptr(d, gpa), arg, size);
	(void)host_hypercall(d->vcpu[vcpu], HC_event_channel_op, cmd, gpa, 0, 0, 0);
}

static void *sender(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	host_set_cpu(me);
	for (unsigned i = 0; i < SENDS; i++) {
		unsigned k = (i * 7 + i / 5) % (PORTS / RACERS) * RACERS + me; /* a port has one sender */
		struct evtchn_send s = { race.far[k] };

		__atomic_store_n(&race.sent[k], race.sent[k] + 1, __ATOMIC_SEQ_CST);
		racer_op(b, me, EVTCHNOP_send, &s, sizeof(s));
	}
	__atomic_fetch_sub(&race.running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Binds ports elsewhere, changes priorities, masks and unmasks. */
static void *mover(void *arg)
{
	host_set_cpu(2);
	for (unsigned i = 0; !__atomic_load_n(&race.stop, __ATOMIC_SEQ_CST); i++) {
		evtchn_port_t port = race.port[i % PORTS];
		struct evtchn_bind_vcpu bv = { port, i / 3 % 2 };
		struct evtchn_set_priority sp = { port, i / 7 % 16 };
		struct evtchn_unmask u = { port };

		racer_op(a, 2, EVTCHNOP_bind_vcpu, &bv, sizeof(bv));
		racer_op(a, 2, EVTCHNOP_set_priority, &sp, sizeof(sp));
		if (race.hostile) {
			*word(port) = i * 2654435761u;
			block(i & 1)->head[i & 15] = i * 40503u;
		}
		__atomic_fetch_or(word(port), MASKED, __ATOMIC_SEQ_CST);
		racer_op(a, 2, EVTCHNOP_unmask, &u, sizeof(u));
	}
	return NULL;
}

/* Both vCPUs' queues, taken in turn by one thread: heads are a consumer's own. */
static void *drain(void *arg)
{
	struct consumer c[2] = { { .vcpu = 0 }, { .vcpu = 1 } };
	unsigned idle = 0;

	host_set_cpu(3);
	while (idle < 3) {
		bool last = __atomic_load_n(&race.over, __ATOMIC_SEQ_CST);
		evtchn_port_t port = consume(&c[0]);

		if (!port)
			port = consume(&c[1]);
		idle = port || !last ? 0 : idle + 1;
		for (unsigned k = 0; port && k < PORTS; k++)
			if (race.port[k] == port)
				race.seen[k] = __atomic_load_n(&race.sent[k], __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void run_race(bool hostile)
{
	pthread_t t[4];

	start_fifo();
	memset(&race, 0, sizeof(race));
	race.hostile = hostile;
	race.running = RACERS;
	for (unsigned k = 0; k < PORTS; k++)
		race.port[k] = joined(&race.far[k]);
	for (uintptr_t i = 0; i < RACERS; i++)
		pthread_create(&t[i], NULL, sender, (void *)i);
	pthread_create(&t[2], NULL, mover, NULL);
	if (!hostile)
		pthread_create(&t[3], NULL, drain, NULL);
	for (unsigned i = 0; i < RACERS; i++)
		pthread_join(t[i], NULL);
	__atomic_store_n(&race.stop, true, __ATOMIC_SEQ_CST);
	pthread_join(t[2], NULL);
	__atomic_store_n(&race.over, true, __ATOMIC_SEQ_CST);
	if (!hostile)
		pthread_join(t[3], NULL);
}

/* Whatever was sent last was seen: nothing is lost between queues, vCPUs and masks. */
static void test_race(void **state)
{
	run_race(false);
	for (unsigned k = 0; k < PORTS; k++) {
		assert_int_equal(*word(race.port[k]) & (PENDING | LINKED | MASKED | BUSY), 0);
		assert_int_equal(race.seen[k], race.sent[k]);
	}
}

/* With words that change under every send: all of them end. */
static void test_hostile_race(void **state)
{
	run_race(true);
}

static void *resetter(void *arg)
{
	host_set_cpu(2);
	for (unsigned i = 0; __atomic_load_n(&race.running, __ATOMIC_SEQ_CST); i++) {
		struct evtchn_reset r = { DOMID_SELF };
		struct evtchn_init_control c = { .control_gfn = CONTROL_PAGE };
		struct evtchn_expand_array e = { WORDS_PAGE };
		struct evtchn_alloc_unbound u = { DOMID_SELF, 2, 0 };

		racer_op(a, 2, EVTCHNOP_reset, &r, sizeof(r));
		racer_op(a, 2, EVTCHNOP_alloc_unbound, &u, sizeof(u));
		racer_op(a, 2, EVTCHNOP_init_control, &c, sizeof(c));
		racer_op(a, 2, EVTCHNOP_expand_array, &e, sizeof(e));
	}
	return NULL;
}

/* Port 1 of a is joined again and again, and raised, while the ABI changes under it. */
static void *rejoiner(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	host_set_cpu(me);
	for (unsigned i = 0; i < SENDS / 3; i++) {
		struct evtchn_bind_interdomain bi = { 1, 1, 0 };
		struct evtchn_send s = { 1 + i % 3 };
		struct evtchn_close c = { 1 + i % 3 };

		racer_op(b, me, EVTCHNOP_bind_interdomain, &bi, sizeof(bi));
		racer_op(b, me, EVTCHNOP_send, &s, sizeof(s));
		racer_op(b, me, EVTCHNOP_send, &s, sizeof(s));
		(void)evtchn_port_pending(a, 1);
		if (i % 4 == 0)
			racer_op(b, me, EVTCHNOP_close, &c, sizeof(c));
	}
	__atomic_fetch_sub(&race.running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void test_reset_race(void **state)
{
	pthread_t t[3];

	memset(&race, 0, sizeof(race));
	race.running = RACERS;
	for (uintptr_t i = 0; i < RACERS; i++)
		pthread_create(&t[i], NULL, rejoiner, (void *)i);
	pthread_create(&t[2], NULL, resetter, NULL);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	struct evtchn_reset r = { DOMID_SELF };
	assert_int_equal(OP(a->vcpu[0], reset, r), 0);
	assert_int_equal(mfn_to_frame(p2m_lookup(a, gfn(CONTROL_PAGE), NULL, NULL))->refs, 1);
	assert_int_equal(mfn_to_frame(p2m_lookup(a, gfn(WORDS_PAGE), NULL, NULL))->refs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mask, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_race, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_race, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_race, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
