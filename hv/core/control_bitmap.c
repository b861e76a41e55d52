/* Bitmaps of control operations: bytes in the caller's memory, as many as it says; here always a cpumask_t. */
#include "control.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"

/* See control.h. */
unsigned control_nr_cpu_ids(void)
{
	const cpumask_t *online = cpu_online();
	unsigned cpu, last = 0;

	for_each_cpu(cpu, online)
		last = cpu;
	return last + 1;
}

/* Bytes beyond what a mask holds are not looked at. */
int control_get_bitmap(struct vcpu *v, cpumask_t *mask, const struct xenctl_bitmap *from)
{
	uint64_t bytes = ((uint64_t)from->nr_bits + 7) / 8;
	uint8_t buf[sizeof(*mask)] = { 0 };

	if (bytes > sizeof(buf))
		bytes = sizeof(buf);
	if (bytes && copy_from_guest(v, buf, from->bitmap, bytes))
		return err(-EFAULT);
	if (from->nr_bits < sizeof(buf) * 8 && from->nr_bits % 8)
		buf[from->nr_bits / 8] &= (uint8_t)((1u << from->nr_bits % 8) - 1);
	memcpy(mask, buf, sizeof(*mask));
	return 0;
}

/* The caller's bytes beyond the mask become zero; 8 KiB of them at most are believed. */
int control_put_bitmap(struct vcpu *v, const struct xenctl_bitmap *to, const cpumask_t *mask)
{
	static const uint8_t zero[64];
	uint64_t bytes = ((uint64_t)to->nr_bits + 7) / 8, at;
	uint8_t buf[sizeof(*mask)];

	memcpy(buf, mask, sizeof(buf));
	if (to->nr_bits < sizeof(buf) * 8 && to->nr_bits % 8)
		buf[to->nr_bits / 8] &= (uint8_t)((1u << to->nr_bits % 8) - 1);
	at = min_u64(bytes, sizeof(buf));
	if (at && copy_to_guest(v, to->bitmap, buf, at))
		return err(-EFAULT);
	if (bytes > 8192)
		return err(-EFAULT);
	for (; at < bytes; at += sizeof(zero))
		if (copy_to_guest(v, to->bitmap + at, zero, min_u64(bytes - at, sizeof(zero))))
			return err(-EFAULT);
	return 0;
}
