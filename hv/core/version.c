/* xen_version: who we say we are. HC-17.* of docs/compatibility.md. */
#include "hv/boot.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/hypercall.h"
#include "hv/layouts.h"
#include "hv/printk.h"
#include "hv/string.h"

#include "compile.h"

_Static_assert(sizeof(XEN_EXTRAVERSION) <= 16, "XEN_VENDORVERSION is too long for XENVER_extraversion");

enum {
	XENVER_version = 0,
	XENVER_extraversion = 1,
	XENVER_compile_info = 2,
	XENVER_capabilities = 3,
	XENVER_changeset = 4,
	XENVER_platform_parameters = 5,
	XENVER_get_features = 6,
	XENVER_pagesize = 7,
	XENVER_guest_handle = 8,
	XENVER_commandline = 9,
	XENVER_build_id = 10,
};

/* Feature bits of submap 0, public/features.h. */
#define XENFEAT_writable_page_tables 0
#define XENFEAT_auto_translated_physmap 2
#define XENFEAT_hvm_callback_vector 8
#define XENFEAT_hvm_safe_pvclock 9
#define XENFEAT_dom0 11
#define XENFEAT_memory_op_vnode_supported 13
#define XENFEAT_not_direct_mapped 16

/* Where PV guests would find Xen's hole: start of slot 256. */
#define HYPERVISOR_VIRT_START 0xffff800000000000UL

static const char capabilities[] = "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";

/* Copy a string into the guest's fixed buffer of @size bytes, zero padded. */
static int put_text(struct vcpu *v, uint64_t gva, const char *text, size_t size)
{
	char buf[1024];

	memset(buf, 0, size);
	str_copy(buf, text, size);
	return copy_to_guest(v, gva, buf, size);
}

static int put_compile_info(struct vcpu *v, uint64_t gva)
{
	struct {
		char compiler[64], by[16], domain[32], date[32];
	} info;

	memset(&info, 0, sizeof(info));
	str_copy(info.compiler, XEN_COMPILER, sizeof(info.compiler));
	str_copy(info.by, XEN_COMPILE_BY, sizeof(info.by));
	str_copy(info.domain, XEN_COMPILE_DOMAIN, sizeof(info.domain));
	str_copy(info.date, XEN_COMPILE_DATE, sizeof(info.date));
	return copy_to_guest(v, gva, &info, sizeof(info));
}

static int get_features(struct vcpu *v, uint64_t gva)
{
	struct {
		uint32_t idx, submap;
	} fi;

	if (copy_from_guest(v, &fi, gva, sizeof(fi)))
		return err(-EFAULT);
	if (fi.idx != 0)
		return err(-EINVAL);
	fi.submap = 1u << XENFEAT_writable_page_tables | 1u << XENFEAT_auto_translated_physmap |
		    1u << XENFEAT_hvm_callback_vector | 1u << XENFEAT_hvm_safe_pvclock |
		    1u << XENFEAT_memory_op_vnode_supported | 1u << XENFEAT_not_direct_mapped;
	if (domain_has_role(v->domain, ROLE_HARDWARE))
		fi.submap |= 1u << XENFEAT_dom0;
	return copy_to_guest(v, gva, &fi, sizeof(fi));
}

/* The image carries no build id: the answer of a Xen linked without one. */
static long build_id(struct vcpu *v, uint64_t gva)
{
	(void)v;
	(void)gva;
	return err(-ENODATA);
}

/* Hypercall 17. Facts withheld from domains without the control role read "<denied>", as in Xen. */
long do_xen_version(struct vcpu *v, const uint64_t *args)
{
	uint64_t arg = args[1];
	bool trusted = domain_has_role(v->domain, ROLE_CONTROL);

	switch ((uint32_t)args[0]) {
	case XENVER_version:
		return XEN_VERSION << 16 | XEN_SUBVERSION;
	case XENVER_extraversion:
		return put_text(v, arg, XEN_EXTRAVERSION, 16);
	case XENVER_compile_info:
		return put_compile_info(v, arg);
	case XENVER_capabilities:
		return put_text(v, arg, capabilities, 1024);
	case XENVER_changeset:
		return put_text(v, arg, XEN_CHANGESET, 64);
	case XENVER_platform_parameters: {
		uint64_t start = HYPERVISOR_VIRT_START;

		return put_struct(v, arg, &start, LAYOUT_xen_platform_parameters);
	}
	case XENVER_get_features:
		return get_features(v, arg);
	case XENVER_pagesize:
		return arg ? err(-EINVAL) : (long)PAGE_SIZE;
	case XENVER_guest_handle:
		return copy_to_guest(v, arg, v->domain->handle, sizeof(v->domain->handle));
	case XENVER_commandline:
		return put_text(v, arg, trusted ? boot_info.cmdline : "<denied>", 1024);
	case XENVER_build_id:
		return trusted ? build_id(v, arg) : err(-EPERM);
	default:
		return err(-ENOSYS);
	}
}
