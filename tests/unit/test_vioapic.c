/* The virtual I/O APIC: registers, binding to the machine's pins, level and edge. FEATURES D0-05; 82093AA datasheet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi/hvm_save.h"
#include "hv/errno.h"
#include "hvm/vioapic.h"

#define PINS 24u

static struct vioapic io;
static struct {
	struct apic_msg last;
	unsigned sent, bound, acked, pin;
	bool level, low;
} seen;

static void send(struct vioapic *v, const struct apic_msg *m)
{
	seen.last = *m;
	seen.sent++;
}

static void bind(struct vioapic *v, unsigned pin, bool level, bool low)
{
	seen.bound++;
	seen.pin = pin;
	seen.level = level;
	seen.low = low;
}

static void ack(struct vioapic *v, unsigned pin)
{
	seen.acked++;
	seen.pin = pin;
}

static const struct vioapic_ops ops = { send, bind, ack };

static void write_reg(unsigned reg, uint32_t val)
{
	vioapic_write(&io, 0, 4, reg);
	vioapic_write(&io, 0x10, 4, val);
}

static uint32_t read_reg(unsigned reg)
{
	vioapic_write(&io, 0, 4, reg);
	return (uint32_t)vioapic_read(&io, 0x10, 4);
}

static void write_entry(unsigned pin, uint64_t rte)
{
	write_reg(0x11 + 2 * pin, (uint32_t)(rte >> 32));
	write_reg(0x10 + 2 * pin, (uint32_t)rte);
}

static int fresh(void **state)
{
	memset(&seen, 0, sizeof(seen));
	vioapic_setup(&io, 0xfec00000, 3, 0, PINS, &ops, NULL);
	return 0;
}

static void registers(void **state)
{
	assert_int_equal(read_reg(0), 3u << 24);
	assert_int_equal(read_reg(1), 0x170011);
	assert_int_equal(read_reg(2), 3u << 24);
	for (unsigned pin = 0; pin < PINS; pin++) {
		assert_int_equal(read_reg(0x10 + 2 * pin), 0x10000);
		assert_int_equal(read_reg(0x11 + 2 * pin), 0);
	}
	assert_int_equal(read_reg(0x10 + 2 * PINS), 0xffffffff);
	assert_int_equal(read_reg(0xff), 0xffffffff);
	write_reg(0, 0x05000000);
	assert_int_equal(read_reg(0), 5u << 24);
	write_reg(0x10 + 2 * PINS, 0);
	write_reg(1, 0);
	assert_int_equal(read_reg(1), 0x170011);
	/* Reserved and read-only bits stay as they are. */
	write_entry(5, 0xa1fffffffffff031UL);
	assert_int_equal(read_reg(0x1a), 0x1a031);
	assert_int_equal(read_reg(0x1b), 0xa1000000);
	/* Only 32-bit accesses to the two registers exist. */
	assert_int_equal((uint32_t)vioapic_read(&io, 0x10, 1), 0xffffffff);
	assert_int_equal((uint32_t)vioapic_read(&io, 0x40, 4), 0xffffffff);
	vioapic_write(&io, 0x10, 8, 0);
	vioapic_write(&io, 0x20, 4, 0);
	assert_int_equal(seen.bound + seen.sent + seen.acked, 0);
}

static void edge(void **state)
{
	vioapic_raise(&io, 4); /* masked: lost, as an edge is */
	write_entry(4, 0x0200000000000041UL);
	assert_int_equal(seen.bound, 1);
	assert_true(seen.pin == 4 && !seen.level && !seen.low);
	assert_int_equal(seen.sent, 0);
	vioapic_raise(&io, 4);
	vioapic_raise(&io, 4);
	assert_int_equal(seen.sent, 2);
	assert_int_equal(seen.last.vector, 0x41);
	assert_int_equal(seen.last.dest, 2);
	assert_true(!seen.last.logical && !seen.last.level);
	vioapic_eoi(&io, 0x41);
	assert_int_equal(seen.acked, 0);
	/* Masking and unmasking binds anew, which is up to the owner to notice; polarity is told. */
	write_entry(4, 0x0200000000012041UL);
	assert_int_equal(seen.bound, 1);
	write_entry(4, 0x0200000000002041UL);
	assert_int_equal(seen.bound, 2);
	assert_true(seen.low);
	vioapic_raise(&io, PINS);
	vioapic_raise(&io, ~0u);
	assert_int_equal(seen.sent, 2);
}

static void level(void **state)
{
	write_entry(9, 0x0f00000000008931UL | 1UL << 11); /* logical, lowest priority, level */
	assert_true(seen.level && seen.pin == 9);
	vioapic_raise(&io, 9);
	assert_int_equal(seen.sent, 1);
	assert_true(seen.last.level && seen.last.logical && seen.last.mode == 1 && seen.last.dest == 15);
	assert_int_equal(read_reg(0x10 + 18) >> 14 & 1, 1);
	/* In service: what comes meanwhile waits in the machine. */
	vioapic_raise(&io, 9);
	assert_int_equal(seen.sent, 1);
	assert_int_equal(seen.acked, 0);
	vioapic_eoi(&io, 0x30);
	assert_int_equal(seen.acked, 0);
	vioapic_eoi(&io, 0x31);
	assert_int_equal(seen.acked, 1);
	assert_int_equal(read_reg(0x10 + 18) >> 14 & 1, 0);
	vioapic_eoi(&io, 0x31);
	assert_int_equal(seen.acked, 1);
}

/* Fired while masked: the machine's pin is released when the guest unmasks its own, and fires again if the line is still on. */
static void level_while_masked(void **state)
{
	write_entry(9, 0x8031);
	write_entry(9, 0x18031);
	vioapic_raise(&io, 9);
	assert_int_equal(seen.sent + seen.acked, 0);
	write_entry(9, 0x8031);
	assert_int_equal(seen.acked, 1);
	vioapic_raise(&io, 9);
	assert_int_equal(seen.sent, 1);
	/* Masked in service: the EOI comes while it is masked. */
	write_entry(9, 0x18031);
	vioapic_eoi(&io, 0x31);
	assert_int_equal(seen.acked, 1);
	write_entry(9, 0x8031);
	assert_int_equal(seen.acked, 2);
}

/* Linux ends an interrupt at an old I/O APIC by a switch to edge and back. */
static void end_by_trigger(void **state)
{
	write_entry(9, 0x8031);
	vioapic_raise(&io, 9);
	write_reg(0x10 + 18, 0x10031);
	assert_int_equal(read_reg(0x10 + 18) >> 14 & 1, 0);
	assert_int_equal(seen.acked, 0);
	write_reg(0x10 + 18, 0x8031);
	assert_int_equal(seen.acked, 1);
}

static void many_pins(void **state)
{
	vioapic_setup(&io, 0, 0, 24, 1000, &ops, NULL);
	assert_int_equal(io.nr_pins, VIOAPIC_MAX_PINS);
	assert_int_equal(read_reg(0xff), 0xffffffff & (uint32_t)(io.rte[(0xff - 0x10) / 2] >> 32));
}

/* Its record and back: another one in that state answers the same, and binds what is open. */
static void saved_and_loaded(void **state)
{
	struct hvm_hw_vioapic rec;
	uint8_t bytes[sizeof(rec) + 1];
	uint64_t before[PINS];

	write_entry(4, 0x0200000000000041UL);
	write_entry(9, 0x0f00000000008931UL);
	write_entry(11, 0x0300000000018042UL);
	vioapic_raise(&io, 9); /* in service */
	write_reg(0, 0x05000000);
	vioapic_write(&io, 0, 4, 0x17);
	memcpy(before, io.rte, sizeof(before));
	assert_int_equal(vioapic_save(&io, bytes), sizeof(rec));
	memcpy(&rec, bytes, sizeof(rec));
	assert_int_equal(rec.base_address, 0xfec00000);
	assert_int_equal(rec.redirtbl[PINS], VRTE_MASKED);

	fresh(NULL);
	assert_int_equal(vioapic_check(&io, bytes, sizeof(rec)), 0);
	vioapic_load(&io, bytes);
	assert_int_equal(seen.bound, 2);
	assert_int_equal(seen.sent + seen.acked, 0);
	assert_memory_equal(io.rte, before, sizeof(before));
	assert_int_equal(io.select, 0x17);
	assert_int_equal(io.id, 5);
	assert_int_equal(vioapic_save(&io, bytes), sizeof(rec));
	assert_memory_equal(bytes, &rec, sizeof(rec));
	/* The guest ends the interrupt it had, and the machine's pin opens. */
	vioapic_eoi(&io, 0x31);
	assert_int_equal(seen.acked, 1);
	vioapic_raise(&io, 9);
	assert_int_equal(seen.sent, 1);
	vioapic_raise(&io, 4);
	assert_int_equal(seen.last.vector, 0x41);
}

static void bad_records(void **state)
{
	struct hvm_hw_vioapic good, rec;

	assert_int_equal(vioapic_save(&io, &good), sizeof(good));
	assert_int_equal(vioapic_check(&io, &good, sizeof(good) - 1), -EINVAL);
	assert_int_equal(vioapic_check(&io, &good, 0), -EINVAL);
#define BAD(change) \
	rec = good; \
	change; \
	assert_int_equal(vioapic_check(&io, &rec, sizeof(rec)), -EINVAL)
	BAD(rec.base_address += 0x1000);
	BAD(rec.ioregsel = 0x100);
	BAD(rec.id = 0x100);
	BAD(rec.redirtbl[0] |= 1UL << 17);
	BAD(rec.redirtbl[0] |= 1UL << 55);
	BAD(rec.redirtbl[0] |= VRTE_REMOTE_IRR);
	BAD(rec.redirtbl[PINS] = 0);
	BAD(rec.redirtbl[47] |= 0x31);
#undef BAD
	rec = good;
	rec.redirtbl[0] |= VRTE_REMOTE_IRR | VRTE_LEVEL;
	assert_int_equal(vioapic_check(&io, &rec, sizeof(rec)), 0);
	vioapic_setup(&io, 0, 0, 0, 49, &ops, NULL);
	assert_int_equal(vioapic_save(&io, &rec), 0);
	assert_int_equal(vioapic_check(&io, &good, sizeof(good)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(registers, fresh),
		cmocka_unit_test_setup(edge, fresh),
		cmocka_unit_test_setup(level, fresh),
		cmocka_unit_test_setup(level_while_masked, fresh),
		cmocka_unit_test_setup(end_by_trigger, fresh),
		cmocka_unit_test_setup(many_pins, fresh),
		cmocka_unit_test_setup(saved_and_loaded, fresh),
		cmocka_unit_test_setup(bad_records, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
