/*
 * The FIFO ABI: an event word for each port in pages the guest gives, and per vCPU a control block with the heads of sixteen queues, one for
 * each priority. A pending, unmasked port is linked to the end of its queue: the word of the last one names it, or the head does when
 * the queue has run empty. The guest takes ports off by clearing LINKED, without asking.
 *
 * Senders of one port meet at its link bit, those of one queue at the queue's lock; nothing else is shared, so events of different vCPUs or
 * priorities never wait for each other. The tail is kept here and never read from the guest. Words and heads the guest may scribble over: what it
 * loses are its own events, and no loop here depends on them for its end.
 */
#include "abi/event_channel.h"
#include "evtchn_port.h"
#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/printk.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED (1u << EVTCHN_FIFO_MASKED)
#define LINKED (1u << EVTCHN_FIFO_LINKED)
#define BUSY (1u << EVTCHN_FIFO_BUSY)

#define WORDS_PER_PAGE ((unsigned)(PAGE_SIZE / sizeof(event_word_t)))
#define NR_PAGES (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)
/* A guest that keeps to the rules changes a linked word at most five times while we try to extend it. */
#define LINK_TRIES 8u

struct fifo_queue {
	spinlock_t lock; /* RANK_EVTCHN_QUEUE */
	uint32_t tail;	 /* port linked last; 0, or a port no longer LINKED: the queue is empty */
};

struct fifo_vcpu {
	struct evtchn_fifo_control_block *block; /* atomic; NULL until the guest gave one */
	struct frame *frame;			 /* reference held */
	struct fifo_queue queue[EVTCHN_FIFO_MAX_QUEUES];
};

struct evtchn_fifo {
	unsigned nr_pages;	      /* guarded by the domain's event lock */
	event_word_t *page[NR_PAGES]; /* atomic; set once each, in order */
	struct frame *frame[NR_PAGES];
	unsigned nr_vcpus;
	struct fifo_vcpu vcpu[];
};

static unsigned nr_ports(const struct domain *d)
{
	return EVTCHN_FIFO_NR_CHANNELS;
}

/* The word of @port, NULL as long as the guest has given no page for it. */
static event_word_t *word_of(const struct domain *d, evtchn_port_t port)
{
	event_word_t *page = __atomic_load_n(&d->evtchn->fifo->page[port / WORDS_PER_PAGE], __ATOMIC_SEQ_CST);

	return page ? page + port % WORDS_PER_PAGE : NULL;
}

/* Linking ---------------------------------------------------------------------------------------------- */

static void link_lock(struct port *p)
{
	while (__atomic_fetch_or(&p->fifo_flags, FIFO_LINKING, __ATOMIC_ACQUIRE) & FIFO_LINKING)
		arch_cpu_relax();
}

static void link_unlock(struct port *p)
{
	__atomic_fetch_and(&p->fifo_flags, (uint8_t)~FIFO_LINKING, __ATOMIC_RELEASE);
}

/*
 * Let the word @tail name @port as the next one, if it is linked still: else the guest has taken it off, and the queue is empty. Once
 * the first try failed BUSY keeps the guest from unmasking.
 */
static bool extend(event_word_t *tail, evtchn_port_t port)
{
	event_word_t old = __atomic_load_n(tail, __ATOMIC_SEQ_CST);
	bool busy = false, linked = false;

	for (unsigned i = 0; i < LINK_TRIES && (old & LINKED) && !linked; i++) {
		event_word_t new = (old & ~(BUSY | EVTCHN_FIFO_LINK_MASK)) | port;

		linked = __atomic_compare_exchange_n(tail, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		if (!linked && !busy) {
			busy = true;
			old = __atomic_or_fetch(tail, BUSY, __ATOMIC_SEQ_CST);
		}
	}
	if (busy && !linked)
		__atomic_fetch_and(tail, ~BUSY, __ATOMIC_SEQ_CST);
	return linked;
}

static void queues_lock(struct fifo_queue *a, struct fifo_queue *b)
{
	spin_lock(a < b ? &a->lock : &b->lock);
	if (a != b)
		spin_lock_nested(a < b ? &b->lock : &a->lock);
}

static void queues_unlock(struct fifo_queue *a, struct fifo_queue *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

/* Append @p to @q, its link bit held; true when the queue was empty, so that the guest must be told. */
static bool append(struct domain *d, struct port *p, event_word_t *word, struct fifo_queue *q, uint32_t *head)
{
	struct fifo_queue *old = &d->evtchn->fifo->vcpu[p->last_vcpu].queue[p->last_priority];
	event_word_t *tail;
	bool first = false;

	queues_lock(q, old);
	if (!(__atomic_fetch_or(word, LINKED, __ATOMIC_SEQ_CST) & LINKED)) {
		/* It was the last of the queue it was on, this one or another: that one is empty, whatever LINKED says now. */
		if (old->tail == p->number)
			old->tail = 0;
		tail = q->tail ? word_of(d, q->tail) : NULL;
		first = !tail || !extend(tail, p->number);
		if (first)
			__atomic_store_n(head, p->number, __ATOMIC_SEQ_CST);
		q->tail = p->number;
	}
	queues_unlock(q, old);
	return first;
}

/* Queue @p, which is pending, unless it is masked or queued already. */
static void link_port(struct domain *d, struct port *p, event_word_t *word)
{
	struct evtchn_fifo_control_block *block;
	struct fifo_vcpu *fv;
	unsigned vcpu, priority;
	bool first = false;

	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) & (MASKED | LINKED))
		return;
	link_lock(p);
	vcpu = read_once(p->vcpu);
	priority = p->priority;
	fv = &d->evtchn->fifo->vcpu[vcpu];
	block = __atomic_load_n(&fv->block, __ATOMIC_ACQUIRE);
	if (block) { /* else nobody could be told: a guest gives it before it unmasks anything for that vCPU */
		first = append(d, p, word, &fv->queue[priority], &block->head[priority]);
		p->last_vcpu = vcpu & (DOMAIN_MAX_VCPUS - 1);
		p->last_priority = priority & EVTCHN_FIFO_PRIORITY_MIN;
	}
	link_unlock(p);
	if (first && !(__atomic_fetch_or(&block->ready, 1u << priority, __ATOMIC_SEQ_CST) & 1u << priority))
		evtchn_mark_upcall(d->vcpu[vcpu]);
}

/* The ABI's operations ---------------------------------------------------------------------------------- */

/* Forget that @p was raised before it had a word; true if it was. */
static bool early_take(struct port *p)
{
	return __atomic_fetch_and(&p->fifo_flags, (uint8_t)~FIFO_EARLY, __ATOMIC_SEQ_CST) & FIFO_EARLY;
}

/* See evtchn_port.h. */
void evtchn_fifo_set_early(struct port *p)
{
	__atomic_fetch_or(&p->fifo_flags, FIFO_EARLY, __ATOMIC_SEQ_CST);
}

static void set_pending(struct domain *d, struct port *p)
{
	event_word_t *word = word_of(d, p->number);

	if (!word) {
		/* Noted first, then looked again: either this or who adds the page sees it. */
		evtchn_fifo_set_early(p);
		word = word_of(d, p->number);
		if (!word || !early_take(p))
			return;
	}
	if (__atomic_fetch_or(word, PENDING, __ATOMIC_SEQ_CST) & PENDING) {
		link_port(d, p, word);
		return;
	}
	link_port(d, p, word);
	evtchn_wake_pollers(d, p->number);
}

static void clear_pending(struct domain *d, struct port *p)
{
	event_word_t *word = word_of(d, p->number);

	(void)early_take(p);
	if (word) /* it stays linked: the guest finds nothing pending and goes on */
		__atomic_fetch_and(word, ~PENDING, __ATOMIC_SEQ_CST);
}

static void unmask(struct domain *d, struct port *p)
{
	event_word_t *word = word_of(d, p->number);

	if (word && (__atomic_and_fetch(word, ~MASKED, __ATOMIC_SEQ_CST) & PENDING))
		link_port(d, p, word);
}

static bool is_pending(struct domain *d, evtchn_port_t port)
{
	event_word_t *word = word_of(d, port);

	return word && (__atomic_load_n(word, __ATOMIC_SEQ_CST) & PENDING);
}

/* For events to come; what is queued stays where it is. */
static int set_priority(struct domain *d, struct port *p, unsigned priority)
{
	if (priority > EVTCHN_FIFO_PRIORITY_MIN)
		return err(-EINVAL);
	link_lock(p);
	p->priority = priority & EVTCHN_FIFO_PRIORITY_MIN;
	link_unlock(p);
	return 0;
}

/* See evtchn_port.h. */
void evtchn_fifo_port_init(struct port *p)
{
	link_lock(p);
	p->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
	link_unlock(p);
}

const struct evtchn_abi evtchn_fifo = {
	.nr_ports = nr_ports,
	.set_pending = set_pending,
	.clear_pending = clear_pending,
	.unmask = unmask,
	.is_pending = is_pending,
	.set_priority = set_priority,
};

/* Set-up -------------------------------------------------------------------------------------------------- */

/* The guest's own writable page @g with a reference, or NULL. */
static struct frame *guest_page(struct domain *d, uint64_t g)
{
	struct frame *f = p2m_get_frame(d, gfn(g), true);

	if (f && f->owner != d->id) {
		frame_put(f);
		f = NULL;
	}
	return f;
}

static struct evtchn_fifo *fifo_new(struct domain *d)
{
	struct evtchn_fifo *s = overhead_alloc(&d->overhead, OVERHEAD_EVENTS,
					       sizeof(*s) + d->max_vcpus * sizeof(s->vcpu[0]), "struct evtchn_fifo");

	if (!s)
		return NULL;
	s->nr_vcpus = d->max_vcpus;
	for (unsigned i = 0; i < d->max_vcpus; i++)
		for (unsigned q = 0; q < EVTCHN_FIFO_MAX_QUEUES; q++)
			spin_lock_init(&s->vcpu[i].queue[q].lock, RANK_EVTCHN_QUEUE);
	return s;
}

/* See evtchn_port.h. */
int evtchn_fifo_control(struct domain *d, const struct evtchn_init_control *op)
{
	struct evtchn_domain *e = d->evtchn;
	struct evtchn_fifo *s = e->fifo;
	struct fifo_vcpu *fv;
	struct frame *f;

	ASSERT(spin_is_mine(&e->lock));
	if (read_once(d->dying) || (s && s->vcpu[op->vcpu].block))
		return err(-EINVAL);
	f = guest_page(d, op->control_gfn);
	if (!f)
		return err(-EINVAL);
	if (!s)
		s = fifo_new(d);
	if (!s) {
		frame_put(f);
		return err(-ENOMEM);
	}
	fv = &s->vcpu[op->vcpu];
	fv->frame = f;
	__atomic_store_n(&fv->block, (void *)((uint8_t *)mfn_to_virt(frame_to_mfn(f)) + op->offset), __ATOMIC_RELEASE);
	e->fifo = s;
	return 0;
}

/* See evtchn_port.h. Whoever raises a port from here on sees the page; those raised before are found by the caller. */
int evtchn_fifo_add_page(struct domain *d, uint64_t g, evtchn_port_t *first, evtchn_port_t *end)
{
	struct evtchn_fifo *s = d->evtchn->fifo;
	struct frame *f;

	ASSERT(spin_is_mine(&d->evtchn->lock));
	if (!s)
		return err(-EOPNOTSUPP);
	if (s->nr_pages == NR_PAGES)
		return err(-ENOSPC);
	f = read_once(d->dying) ? NULL : guest_page(d, g);
	if (!f)
		return err(-EINVAL);
	s->frame[s->nr_pages] = f;
	__atomic_store_n(&s->page[s->nr_pages], mfn_to_virt(frame_to_mfn(f)), __ATOMIC_SEQ_CST);
	*first = s->nr_pages++ * WORDS_PER_PAGE;
	*end = *first + WORDS_PER_PAGE;
	return 0;
}

/* See evtchn_port.h. */
void evtchn_fifo_raise_early(struct domain *d, struct port *p)
{
	if (early_take(p))
		set_pending(d, p);
}

/* See evtchn_port.h. */
void evtchn_fifo_release(struct domain *d, struct evtchn_fifo *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->nr_pages; i++)
		frame_put(s->frame[i]);
	for (unsigned i = 0; i < s->nr_vcpus; i++)
		if (s->vcpu[i].frame)
			frame_put(s->vcpu[i].frame);
	overhead_free(&d->overhead, OVERHEAD_EVENTS, s);
}
