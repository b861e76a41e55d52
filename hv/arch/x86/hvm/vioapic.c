/* See vioapic.h. Register numbers and bits: 82093AA datasheet, chapter 3. */
#include "hvm/vioapic.h"

#include "abi/hvm_save.h"
#include "hv/errno.h"
#include "hv/printk.h"
#include "hv/string.h"

#define SELECT_OFFSET 0x00u
#define WINDOW_OFFSET 0x10u
#define REG_ID 0x00u
#define REG_VERSION 0x01u
#define REG_ARBITRATION 0x02u
#define REG_ENTRIES 0x10u
#define VERSION 0x11u /* without an EOI register */
#define ID_SHIFT 24
#define READ_ONLY (VRTE_STATUS | VRTE_REMOTE_IRR)
/* What an entry has: the bits between mask and destination are reserved. */
#define WRITABLE ((0xffUL << VRTE_DEST_SHIFT) | 0x1ffffUL)

void vioapic_setup(struct vioapic *io, uint64_t base, uint8_t id, uint32_t gsi_base, unsigned nr_pins,
		   const struct vioapic_ops *ops, void *owner)
{
	memset(io, 0, sizeof(*io));
	io->base = base;
	io->id = id;
	io->gsi_base = gsi_base;
	io->nr_pins = nr_pins < VIOAPIC_MAX_PINS ? nr_pins : VIOAPIC_MAX_PINS;
	io->ops = ops;
	io->owner = owner;
	for (unsigned i = 0; i < io->nr_pins; i++)
		io->rte[i] = VRTE_MASKED;
}

static uint32_t register_read(const struct vioapic *io)
{
	unsigned n = io->select - REG_ENTRIES;

	switch (io->select) {
	case REG_ID:
	case REG_ARBITRATION:
		return (uint32_t)io->id << ID_SHIFT;
	case REG_VERSION:
		return (io->nr_pins - 1) << 16 | VERSION;
	default:
		if (io->select < REG_ENTRIES || n / 2 >= io->nr_pins)
			return ~0u;
		return (uint32_t)(io->rte[n / 2] >> (n & 1 ? 32 : 0));
	}
}

uint64_t vioapic_read(struct vioapic *io, unsigned offset, unsigned size)
{
	if (size != 4)
		return ~0UL;
	switch (offset) {
	case SELECT_OFFSET:
		return io->select;
	case WINDOW_OFFSET:
		return register_read(io);
	default:
		return ~0UL;
	}
}

/* What the machine holds back for @pin until the guest could take it again. */
static void release(struct vioapic *io, unsigned pin)
{
	if (!io->held[pin] || (io->rte[pin] & (VRTE_MASKED | VRTE_REMOTE_IRR)))
		return;
	io->held[pin] = false;
	io->ops->ack(io, pin);
}

/* A switch to edge forgets the remote IRR: that is how kernels end an interrupt without an EOI register. */
static void entry_write(struct vioapic *io, unsigned pin, uint64_t val)
{
	uint64_t old = io->rte[pin];

	val = (val & WRITABLE & ~READ_ONLY) | (old & READ_ONLY);
	if (!(val & VRTE_LEVEL))
		val &= ~VRTE_REMOTE_IRR;
	io->rte[pin] = val;
	/* A masked entry tells nothing yet: its trigger is often written together with the unmasking. */
	if (val & VRTE_MASKED)
		return;
	if ((old & VRTE_MASKED) || ((old ^ val) & (VRTE_LEVEL | VRTE_LOW)))
		io->ops->bind(io, pin, val & VRTE_LEVEL, val & VRTE_LOW);
	release(io, pin);
}

static void register_write(struct vioapic *io, uint32_t val)
{
	unsigned n = io->select - REG_ENTRIES, pin = n / 2;

	if (io->select == REG_ID) {
		io->id = (uint8_t)(val >> ID_SHIFT);
		return;
	}
	if (io->select < REG_ENTRIES || pin >= io->nr_pins)
		return;
	if (n & 1)
		entry_write(io, pin, (io->rte[pin] & 0xffffffffUL) | (uint64_t)val << 32);
	else
		entry_write(io, pin, (io->rte[pin] & ~0xffffffffUL) | val);
}

void vioapic_write(struct vioapic *io, unsigned offset, unsigned size, uint64_t val)
{
	if (size != 4)
		return;
	if (offset == SELECT_OFFSET)
		io->select = (uint8_t)val;
	else if (offset == WINDOW_OFFSET)
		register_write(io, (uint32_t)val);
}

void vioapic_raise(struct vioapic *io, unsigned pin)
{
	uint64_t rte;
	struct apic_msg m;

	if (pin >= io->nr_pins)
		return;
	rte = io->rte[pin];
	if (rte & VRTE_LEVEL)
		io->held[pin] = true;
	if (rte & (VRTE_MASKED | VRTE_REMOTE_IRR))
		return;
	m = (struct apic_msg){
		.dest = (uint32_t)(rte >> VRTE_DEST_SHIFT),
		.logical = rte & VRTE_LOGICAL,
		.mode = (uint8_t)(rte >> VRTE_MODE_SHIFT & 7),
		.vector = (uint8_t)(rte & VRTE_VECTOR),
		.level = rte & VRTE_LEVEL,
	};
	if (m.level)
		io->rte[pin] |= VRTE_REMOTE_IRR;
	io->ops->send(io, &m);
}

void vioapic_eoi(struct vioapic *io, uint8_t vector)
{
	for (unsigned i = 0; i < io->nr_pins; i++) {
		if ((io->rte[i] & (VRTE_REMOTE_IRR | VRTE_VECTOR)) != (VRTE_REMOTE_IRR | vector))
			continue;
		io->rte[i] &= ~VRTE_REMOTE_IRR;
		release(io, i);
	}
}

size_t vioapic_save(const struct vioapic *io, void *buf)
{
	struct hvm_hw_vioapic rec = { .base_address = io->base, .ioregsel = io->select, .id = io->id };

	if (io->nr_pins > VIOAPIC_NUM_PINS)
		return 0;
	for (unsigned i = 0; i < VIOAPIC_NUM_PINS; i++)
		rec.redirtbl[i] = i < io->nr_pins ? io->rte[i] : VRTE_MASKED;
	memcpy(buf, &rec, sizeof(rec));
	return sizeof(rec);
}

int vioapic_check(const struct vioapic *io, const void *buf, size_t len)
{
	struct hvm_hw_vioapic rec;

	if (len != sizeof(rec) || io->nr_pins > VIOAPIC_NUM_PINS)
		return err(-EINVAL);
	memcpy(&rec, buf, sizeof(rec));
	if (rec.base_address != io->base || rec.ioregsel > 0xff || rec.id > 0xff)
		return err(-EINVAL);
	for (unsigned i = 0; i < VIOAPIC_NUM_PINS; i++) {
		uint64_t rte = rec.redirtbl[i];

		if (rte & ~WRITABLE || (rte & VRTE_REMOTE_IRR && !(rte & VRTE_LEVEL)))
			return err(-EINVAL);
		if (i >= io->nr_pins && rte != VRTE_MASKED)
			return err(-EINVAL);
	}
	return 0;
}

void vioapic_load(struct vioapic *io, const void *buf)
{
	struct hvm_hw_vioapic rec;

	memcpy(&rec, buf, sizeof(rec));
	io->select = (uint8_t)rec.ioregsel;
	io->id = (uint8_t)rec.id;
	for (unsigned i = 0; i < io->nr_pins; i++) {
		uint64_t rte = rec.redirtbl[i] & ~VRTE_STATUS;

		io->rte[i] = VRTE_MASKED;
		entry_write(io, i, rte);
		/* What is in service there ends with an EOI here, which opens the machine's pin. */
		io->rte[i] = rte;
		io->held[i] = rte & VRTE_REMOTE_IRR;
	}
}
