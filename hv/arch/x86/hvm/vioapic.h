/*
 * Virtual I/O APIC (Intel 82093AA datasheet): registers, redirection entries, remote IRR. No lock and nothing of domains in here, so it
 * runs in host tests; the owner serialises all calls but those its own callbacks make.
 */
#ifndef HVM_VIOAPIC_H
#define HVM_VIOAPIC_H

#include "hv/types.h"
#include "hvm/vlapic.h"

#define VIOAPIC_MAX_PINS 240u
#define VIOAPIC_SIZE 0x1000UL

/* One redirection entry: datasheet 3.2.4. */
#define VRTE_VECTOR 0xffUL
#define VRTE_MODE_SHIFT 8
#define VRTE_LOGICAL (1UL << 11)
#define VRTE_STATUS (1UL << 12) /* read only */
#define VRTE_LOW (1UL << 13)
#define VRTE_REMOTE_IRR (1UL << 14) /* read only */
#define VRTE_LEVEL (1UL << 15)
#define VRTE_MASKED (1UL << 16)
#define VRTE_DEST_SHIFT 56

struct vioapic;

struct vioapic_ops {
	/* Send @m to the domain's processors. */
	void (*send)(struct vioapic *io, const struct apic_msg *m);
	/* Pin @pin was unmasked with this trigger and polarity, or changed them: the machine's own pin shall follow. */
	void (*bind)(struct vioapic *io, unsigned pin, bool level, bool active_low);
	/* The level interrupt of @pin, told by vioapic_raise(), has been served or can be taken again. */
	void (*ack)(struct vioapic *io, unsigned pin);
};

struct vioapic {
	uint64_t base;
	uint32_t gsi_base, nr_pins;
	uint8_t id, select;
	uint64_t rte[VIOAPIC_MAX_PINS];
	bool held[VIOAPIC_MAX_PINS]; /* raised while level, not yet acknowledged to the machine */
	const struct vioapic_ops *ops;
	void *owner;
};

/* As after reset: every entry masked. @nr_pins up to VIOAPIC_MAX_PINS. */
void vioapic_setup(struct vioapic *io, uint64_t base, uint8_t id, uint32_t gsi_base, unsigned nr_pins,
		   const struct vioapic_ops *ops, void *owner);
/* Access of the page at @offset. Registers are 32 bits wide; anything else reads ones or is dropped. */
uint64_t vioapic_read(struct vioapic *io, unsigned offset, unsigned size);
void vioapic_write(struct vioapic *io, unsigned offset, unsigned size, uint64_t val);
/* The line of @pin has fired: an edge, or a level that is now on. */
void vioapic_raise(struct vioapic *io, unsigned pin);
/* A processor has ended the level interrupt @vector. */
void vioapic_eoi(struct vioapic *io, uint8_t vector);

/* The state as a record (abi/hvm_save.h), whose further pins are masked; its length, 0: it has more pins than a record. */
size_t vioapic_save(const struct vioapic *io, void *buf);
/* Could @io be in that state? -EINVAL: another length or address, reserved bits, a pin that is not there in use. */
int vioapic_check(const struct vioapic *io, const void *rec, size_t len);
/* It was checked. Pins that are open there are bound. */
void vioapic_load(struct vioapic *io, const void *rec);

#endif
