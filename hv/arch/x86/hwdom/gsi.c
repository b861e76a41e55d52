/*
 * Interrupt lines of the machine in the hardware domain: its I/O APICs stand at the machine's addresses and have as many pins. When
 * the guest unmasks a pin, the machine's own is bound to a vector of Hospes with the trigger and polarity the guest wrote; what fires
 * there goes through the guest's entry to its local APICs.
 */
#include "asm/apic.h"
#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hvm/hvm.h"
#include "hwdom.h"

static unsigned index_of(const struct hwdom *h, const struct vioapic *io)
{
	unsigned i = 0;

	while (h->io[i] != io)
		i++;
	return i;
}

static void send(struct vioapic *io, const struct apic_msg *m)
{
	struct hwdom *h = io->owner;

	vlapic_deliver(h->d->arch.lapics, h->d->max_vcpus, m);
}

/* The machine's pin has fired. Softirq. */
static void deliver(struct host_irq *irq)
{
	struct hwdom_pin *p = irq->ctx;
	struct hwdom *h = p->owner;

	spin_lock(&h->lock);
	for (unsigned i = 0; i < h->nr_ioapics; i++)
		if (irq->gsi - h->io[i]->gsi_base < h->io[i]->nr_pins)
			vioapic_raise(h->io[i], irq->gsi - h->io[i]->gsi_base);
	spin_unlock(&h->lock);
}

/* Lock held. A pin that cannot be bound stays silent. */
static void bind(struct vioapic *io, unsigned pin, bool level, bool low)
{
	struct hwdom *h = io->owner;
	struct hwdom_pin *p = &h->pin[index_of(h, io)][pin];
	uint32_t gsi = io->gsi_base + pin;
	int rc = 0;

	if (p->refused || (p->bound && p->level == level && p->low == low))
		return;
	if (!ioapic_gsi_usable(gsi)) {
		p->refused = true;
		printk(LOG_DEBUG, "d%u: interrupt %u is Hospes' own\n", h->d->id, gsi);
		return;
	}
	if (!p->irq.vector) {
		p->irq.deliver = deliver;
		p->irq.ctx = p;
		rc = host_irq_alloc(&p->irq, this_cpu());
	}
	if (!rc)
		rc = ioapic_bind_gsi(gsi, &p->irq, level, low);
	p->bound = !rc;
	if (rc) {
		printk(LOG_WARN, "d%u: interrupt %u cannot be bound: error %d\n", h->d->id, gsi, -rc);
		return;
	}
	p->level = level;
	p->low = low;
	printk(LOG_DEBUG, "d%u: interrupt %u bound, %s, active %s\n", h->d->id, gsi, level ? "level" : "edge",
	       low ? "low" : "high");
}

static void ack(struct vioapic *io, unsigned pin)
{
	struct hwdom *h = io->owner;
	struct hwdom_pin *p = &h->pin[index_of(h, io)][pin];

	if (p->irq.vector)
		host_irq_ack(&p->irq);
}

static const struct vioapic_ops ops = { send, bind, ack };

static uint64_t io_read(struct vcpu *v, void *ctx, uint64_t addr, unsigned size)
{
	struct vioapic *io = ctx;
	struct hwdom *h = io->owner;
	uint64_t val;

	spin_lock(&h->lock);
	val = vioapic_read(io, (unsigned)(addr - io->base), size);
	spin_unlock(&h->lock);
	return val;
}

static void io_write(struct vcpu *v, void *ctx, uint64_t addr, unsigned size, uint64_t val)
{
	struct vioapic *io = ctx;
	struct hwdom *h = io->owner;

	spin_lock(&h->lock);
	vioapic_write(io, (unsigned)(addr - io->base), size, val);
	spin_unlock(&h->lock);
}

static const struct hvm_io_ops io_ops = { io_read, io_write };

/* See hwdom.h. */
int hwdom_gsi_init(struct hwdom *h)
{
	unsigned nr = ioapic_count();

	for (unsigned i = 0; i < nr; i++) {
		uint32_t base, pins = ioapic_pins(i, &base);
		uint64_t address = acpi_info.ioapics[i].address;

		h->io[i] = xzalloc(struct vioapic);
		h->pin[i] = xzalloc_array(struct hwdom_pin, pins);
		if (!h->io[i] || !h->pin[i])
			return err(-ENOMEM);
		vioapic_setup(h->io[i], address, acpi_info.ioapics[i].id, base, pins, &ops, h);
		for (unsigned n = 0; n < pins; n++)
			h->pin[i][n].owner = h;
		h->nr_ioapics = i + 1;
		if (hvm_mmio_handler(h->d, address, VIOAPIC_SIZE, &io_ops, h->io[i]))
			return err(-ENOMEM);
	}
	return 0;
}

/* See hwdom.h. No vCPU runs, no lock is held. */
void hwdom_gsi_destroy(struct hwdom *h)
{
	for (unsigned i = 0; i < ACPI_MAX_IOAPICS; i++) {
		for (unsigned n = 0; h->io[i] && h->pin[i] && n < h->io[i]->nr_pins; n++) {
			if (!h->pin[i][n].irq.vector)
				continue;
			ioapic_unbind_gsi(h->io[i]->gsi_base + n);
			host_irq_free(&h->pin[i][n].irq);
		}
		xfree(h->pin[i]);
		xfree(h->io[i]);
	}
}

/* See hwdom.h. On the CPU of the vCPU that ended it. */
void hwdom_eoi(struct domain *d, uint8_t vector)
{
	struct hwdom *h = d->arch.hwdom;

	if (!h)
		return;
	spin_lock(&h->lock);
	for (unsigned i = 0; i < h->nr_ioapics; i++)
		vioapic_eoi(h->io[i], vector);
	spin_unlock(&h->lock);
}

/* The I/O APIC of @d if it has exactly one. */
static struct vioapic *only_ioapic(struct domain *d)
{
	struct hwdom *h = d->arch.hwdom;

	return h && h->nr_ioapics == 1 ? h->io[0] : NULL;
}

/* See hwdom.h. */
size_t hwdom_ioapic_save(struct domain *d, void *buf)
{
	struct vioapic *io = only_ioapic(d);
	size_t len;

	if (!io)
		return 0;
	spin_lock(&d->arch.hwdom->lock);
	len = vioapic_save(io, buf);
	spin_unlock(&d->arch.hwdom->lock);
	return len;
}

/* See hwdom.h. */
int hwdom_ioapic_check(struct domain *d, const void *rec, size_t len)
{
	struct vioapic *io = only_ioapic(d);

	return io ? vioapic_check(io, rec, len) : err(-ENODEV);
}

/* See hwdom.h. */
void hwdom_ioapic_load(struct domain *d, const void *rec)
{
	struct vioapic *io = only_ioapic(d);

	ASSERT(io);
	spin_lock(&d->arch.hwdom->lock);
	vioapic_load(io, rec);
	spin_unlock(&d->arch.hwdom->lock);
}
