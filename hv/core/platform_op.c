/*
 * Hypercall 7: the machine, for the domain that drives it. Structures are copied as they are: every one served has the same layout in
 * both guest widths, and begins 8 bytes into the argument, behind command and version.
 */
#include "platform.h"

#include "hv/arch.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/pcpu.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/time.h"

struct head {
	uint32_t cmd, version;
};
#define BODY(arg) ((arg) + sizeof(struct head))

/* The wall clock showed @sec and @nsec when system time was @at. */
static void set_clock(uint64_t sec, uint32_t nsec, uint64_t at)
{
	uint64_t ns = nsec % NSEC_PER_SEC, before = at % NSEC_PER_SEC;

	sec += nsec / NSEC_PER_SEC - at / NSEC_PER_SEC;
	if (ns < before) {
		ns += NSEC_PER_SEC;
		sec--;
	}
	wallclock_set((struct wallclock){ .sec = sec, .nsec = (uint32_t)(ns - before) });
}

static long settime32(struct vcpu *v, uint64_t arg)
{
	struct xenpf_settime32 t;

	if (copy_from_guest(v, &t, BODY(arg), sizeof(t)))
		return err(-EFAULT);
	set_clock(t.secs, t.nsecs, t.system_time);
	return 0;
}

static long settime64(struct vcpu *v, uint64_t arg)
{
	struct xenpf_settime64 t;

	if (copy_from_guest(v, &t, BODY(arg), sizeof(t)))
		return err(-EFAULT);
	if (t.mbz)
		return err(-EINVAL);
	set_clock(t.secs, t.nsecs, t.system_time);
	return 0;
}

/* What a BIOS told the boot loader about disks and screen does not reach Hospes; EFI is not used. */
static long firmware_info(struct vcpu *v, uint64_t arg)
{
	struct {
		uint32_t type, index;
		uint64_t u; /* as the structure's first word in either width */
	} info;

	if (copy_from_guest(v, &info, BODY(arg), 8))
		return err(-EFAULT);
	switch (info.type) {
	case XEN_FW_DISK_INFO:
	case XEN_FW_DISK_MBR_SIGNATURE:
		return err(-ENOENT);
	case XEN_FW_VBEDDC_INFO:
		return err(-ESRCH);
	case XEN_FW_EFI_INFO:
		return err(-EOPNOTSUPP);
	case XEN_FW_KBD_SHIFT_FLAGS:
		if (info.index)
			return err(-ESRCH);
		info.u = 0;
		return copy_to_guest(v, BODY(arg) + 8, &info.u, 1) ? err(-EFAULT) : 0;
	default:
		return err(-EINVAL);
	}
}

static uint32_t last_cpu(void)
{
	unsigned cpu, last = 0;

	for_each_cpu(cpu, cpu_online())
		last = cpu;
	return last;
}

static long cpu_version(struct vcpu *v, uint64_t arg)
{
	struct xenpf_pcpu_version p;

	if (copy_from_guest(v, &p, BODY(arg), sizeof(p)))
		return err(-EFAULT);
	memset(p.vendor_id, 0, sizeof(p.vendor_id));
	p.family = p.model = p.stepping = 0;
	if (pcpu_get(p.xen_cpuid))
		arch_cpu_version(p.vendor_id, &p.family, &p.model, &p.stepping);
	p.max_present = last_cpu();
	return copy_to_guest(v, BODY(arg), &p, sizeof(p)) ? err(-EFAULT) : 0;
}

static long cpu_info(struct vcpu *v, uint64_t arg)
{
	struct xenpf_pcpuinfo p;

	if (copy_from_guest(v, &p, BODY(arg), sizeof(p)))
		return err(-EFAULT);
	p.flags = XEN_PCPU_FLAGS_INVALID;
	if (pcpu_get(p.xen_cpuid)) {
		p.flags = XEN_PCPU_FLAGS_ONLINE;
		arch_cpu_ids(p.xen_cpuid, &p.apic_id, &p.acpi_id);
	}
	p.max_present = last_cpu();
	return copy_to_guest(v, BODY(arg), &p, sizeof(p)) ? err(-EFAULT) : 0;
}

/* Hypercall 7. -EACCES for another version, -EPERM without the hardware or control role, -ENOSYS for what Hospes leaves to firmware. */
long do_platform_op(struct vcpu *v, const uint64_t *args)
{
	struct head head;

	if (copy_from_guest(v, &head, args[0], sizeof(head)))
		return err(-EFAULT);
	if (head.version != XENPF_INTERFACE_VERSION)
		return err(-EACCES);
	if (!(v->domain->roles & (ROLE_HARDWARE | ROLE_CONTROL)))
		return err(-EPERM);
	switch (head.cmd) {
	case XENPF_settime32:
		return settime32(v, args[0]);
	case XENPF_settime64:
		return settime64(v, args[0]);
	case XENPF_firmware_info:
		return firmware_info(v, args[0]);
	case XENPF_get_cpu_version:
		return cpu_version(v, args[0]);
	case XENPF_get_cpuinfo:
		return cpu_info(v, args[0]);
	case XENPF_efi_runtime_call:
		return err(-EOPNOTSUPP);
	default:
		return err(-ENOSYS);
	}
}
