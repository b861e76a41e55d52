/* vm_assist: per-domain switches. An HVM container has one: the update flag in its runstate areas. */
#include "hv/errno.h"
#include "hv/hypercall.h"
#include "hv/printk.h"

#define VMASST_CMD_enable 0u
#define VMASST_CMD_disable 1u
#define VMASST_TYPE_runstate_update_flag 5u
#define VMASST_VALID (1UL << VMASST_TYPE_runstate_update_flag)

/* Hypercall 21. -EINVAL for a type this guest kind does not have, -ENOSYS for an unknown command. */
long do_vm_assist(struct vcpu *v, const uint64_t *args)
{
	uint32_t cmd = (uint32_t)args[0], type = (uint32_t)args[1];
	unsigned long *assist = &v->domain->vm_assist;

	if (type >= 64 || !(VMASST_VALID >> type & 1))
		return err(-EINVAL);
	switch (cmd) {
	case VMASST_CMD_enable:
		__atomic_fetch_or(assist, 1UL << type, __ATOMIC_RELAXED);
		return 0;
	case VMASST_CMD_disable:
		__atomic_fetch_and(assist, ~(1UL << type), __ATOMIC_RELAXED);
		return 0;
	default:
		return err(-ENOSYS);
	}
}
