/*
 * console_io: the hypervisor console for domains that hold the console role. Output goes where all guest output
 * goes; input is what arrives while the domain has the focus, kept until read, announced by VIRQ_CONSOLE.
 */
#include "hv/console.h"
#include "hv/errno.h"
#include "hv/evtchn.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/mm.h"
#include "hv/printk.h"

#define CONSOLEIO_write 0u
#define CONSOLEIO_read 1u
#define VIRQ_CONSOLE 2u

#define QUEUE_SIZE 1024u /* power of two */

struct console_queue {
	spinlock_t lock;     /* RANK_HVM: guards the rest */
	uint32_t cons, prod; /* free running */
	char buf[QUEUE_SIZE];
};

/* Console input for @d: what does not fit is lost, as on a full UART. */
static void queue_input(struct domain *d, const char *buf, size_t n)
{
	struct console_queue *q = __atomic_load_n(&d->console_queue, __ATOMIC_ACQUIRE);

	if (!q)
		return;
	spin_lock(&q->lock);
	for (size_t i = 0; i < n && q->prod - q->cons < QUEUE_SIZE; i++)
		q->buf[q->prod++ % QUEUE_SIZE] = buf[i];
	spin_unlock(&q->lock);
	send_guest_global_virq(d, VIRQ_CONSOLE);
}

int console_io_attach(struct domain *d)
{
	struct console_queue *q = xzalloc(struct console_queue);

	if (!q)
		return err(-ENOMEM);
	spin_lock_init(&q->lock, RANK_HVM);
	__atomic_store_n(&d->console_queue, q, __ATOMIC_RELEASE);
	console_register_reader(d, queue_input);
	return 0;
}

void console_io_detach(struct domain *d)
{
	struct console_queue *q = d->console_queue;

	if (!q)
		return;
	console_unregister(d);
	d->console_queue = NULL;
	xfree(q);
}

static long io_write(struct vcpu *v, uint32_t count, uint64_t gva)
{
	char buf[128];

	while (count) {
		uint32_t n = count < sizeof(buf) ? count : sizeof(buf);

		if (copy_from_guest(v, buf, gva, n))
			return err(-EFAULT);
		console_guest_write(v->domain, buf, n);
		gva += n;
		count -= n;
		if (count && hypercall_preempt_check()) {
			v->hc.args[1] = count;
			v->hc.args[2] = gva;
			return hypercall_again(v);
		}
	}
	return 0;
}

static long io_read(struct vcpu *v, uint32_t count, uint64_t gva)
{
	struct console_queue *q = v->domain->console_queue;
	char buf[128];
	uint32_t n = 0;

	if (!q)
		return 0;
	spin_lock(&q->lock);
	while (n < count && n < sizeof(buf) && q->cons != q->prod)
		buf[n++] = q->buf[q->cons++ % QUEUE_SIZE];
	spin_unlock(&q->lock);
	if (copy_to_guest(v, gva, buf, n))
		return err(-EFAULT);
	return n;
}

/* Hypercall 18. -EPERM without the console or hardware role, as a release build of Xen answers a domU. */
long do_console_io(struct vcpu *v, const uint64_t *args)
{
	uint32_t cmd = (uint32_t)args[0], count = (uint32_t)args[1];

	/* A kernel that takes itself for the initial one has no other console. */
	if (!(v->domain->roles & (ROLE_CONSOLE | ROLE_HARDWARE)))
		return err(-EPERM);
	if ((int32_t)count < 0)
		return err(-EINVAL);
	switch (cmd) {
	case CONSOLEIO_write:
		return io_write(v, count, args[2]);
	case CONSOLEIO_read:
		return io_read(v, count, args[2]);
	default:
		return err(-ENOSYS);
	}
}
