/* The PV console ring as Hospes serves it: output in order, indices a guest made up, and giving way to others on a slow line. */
#include "guest_test.h"

#include "abi/event_channel.h"
#include "hv/consring.h"
#include "hv/time.h"
#include "io_console.h"

#define RING_GFN 9u

static struct domain *d;
static struct consring ring;
static struct xencons_interface *page;
static evtchn_port_t port;

static int setup(void **state)
{
	host_machine(RAM, 1);
	d = host_domain(1, 1, 16, 0);
	memset(&ring, 0, sizeof(ring));
	spin_lock_init(&ring.lock, RANK_HVM);
	assert_int_equal(evtchn_alloc_unbound(d, 0, &port), 0);
	assert_int_equal(consring_open(d, &ring, gfn(RING_GFN), port), 0);
	page = gpa_ptr(d, RING_GFN * PAGE_SIZE);
	return 0;
}

static void print(unsigned n)
{
	for (unsigned i = 0; i < n; i++, page->out_prod++)
		page->out[MASK_XENCONS_IDX(page->out_prod, page->out)] = i % 50 == 49 ? '\n' : 'a' + i % 26;
}

static void send(void)
{
	struct evtchn_send s = { port };

	memcpy(gpa_ptr(d, ARG), &s, sizeof(s));
	assert_int_equal(host_hypercall(d->vcpu[0], HC_event_channel_op, EVTCHNOP_send, ARG, 0, 0, 0), 0);
}

static void test_output(void **state)
{
	this_pcpu()->softirqs = 0; /* the new domain would like to be scheduled */
	print(2048);
	send();
	assert_int_equal(page->out_cons, 2048);
	/* More than the ring holds is nothing. */
	page->out_prod += 2049;
	send();
	assert_int_equal(page->out_cons, 2048);
	kill_domain(d);
}

/* When something waits for the CPU, the rest comes later, a little at a time, until it is all out. */
static void test_polite(void **state)
{
	unsigned rounds = 0;

	print(2000);
	softirq_raise(0, SOFTIRQ_SCHED);
	send();
	assert_in_range(page->out_cons, 1, 100);
	while (page->out_cons != 2000 && rounds++ < 100) {
		host_advance(MILLISECS(2));
		host_run_softirqs(0); /* SOFTIRQ_SCHED stays: nobody schedules here */
	}
	assert_int_equal(page->out_cons, 2000);
	assert_in_range(rounds, 10, 99);
	kill_domain(d);
}

/* A domain that dies meanwhile has its last words printed, and nothing runs afterwards. */
static void test_death(void **state)
{
	struct frame *f = mfn_to_frame(p2m_lookup(d, gfn(RING_GFN), NULL, NULL));

	print(1000);
	softirq_raise(0, SOFTIRQ_SCHED);
	send();
	assert_true(domain_get(d));
	kill_domain(d);
	assert_int_equal(f->refs, 0);
	host_advance(MILLISECS(2));
	host_run_softirqs(0);
	domain_put(d);
}

/* While one vCPU is at the slow line another one that sends does not wait for it. */
static void test_two_at_once(void **state)
{
	no_softirqs();
	print(100);
	spin_lock(&ring.lock);
	send();
	assert_int_equal(page->out_cons, 0);
	spin_unlock(&ring.lock);
	host_advance(MILLISECS(2));
	host_run_softirqs(0);
	assert_int_equal(page->out_cons, 100);
	kill_domain(d);
}

/* Nor does anybody else wait for all that a dying domain had to say. */
static void test_last_words_in_slices(void **state)
{
	unsigned slices = 0;

	print(2000);
	softirq_raise(0, SOFTIRQ_SCHED);
	for (uint32_t before = 0; page->out_cons != 2000; slices++) {
		assert_int_equal(domain_kill(d), -ERESTART);
		assert_in_range(page->out_cons - before, 0, 64);
		before = page->out_cons;
		assert_in_range(slices, 0, 99);
	}
	assert_true(slices >= 2000 / 64);
	kill_domain(d);
}

static long bind(struct domain *from)
{
	struct evtchn_bind_interdomain b = { .remote_dom = d->id, .remote_port = port };

	return call_arg(from->vcpu[0], HC_event_channel_op, EVTCHNOP_bind_interdomain, &b, sizeof(b));
}

/* The domain the console is for takes over, nobody else; what was said before is printed, what comes then is not Hospes' business. */
static void test_taken_over(void **state)
{
	struct domain *daemon = host_domain(0, 1, 16, ROLE_ALL), *other = host_domain(2, 1, 16, ROLE_ALL);

	print(100);
	assert_int_equal(bind(other), -EINVAL);
	assert_int_equal(page->out_cons, 0);
	softirq_raise(0, SOFTIRQ_SCHED);
	assert_int_equal(bind(daemon), 0);
	assert_int_equal(host_slices(), 3);
	assert_int_equal(page->out_cons, 100);
	print(100);
	send();
	assert_int_equal(page->out_cons, 100);
	assert_int_equal(bind(daemon), -EINVAL);
	kill_domain(daemon);
	kill_domain(other);
	kill_domain(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_output, setup),
		cmocka_unit_test_setup(test_polite, setup),
		cmocka_unit_test_setup(test_death, setup),
		cmocka_unit_test_setup(test_two_at_once, setup),
		cmocka_unit_test_setup(test_last_words_in_slices, setup),
		cmocka_unit_test_setup(test_taken_over, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
