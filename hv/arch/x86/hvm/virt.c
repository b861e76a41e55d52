/* The choice of a virtualisation back end. */
#include "asm/virt.h"

#include "asm/cpuid.h"
#include "hv/printk.h"

const struct virt_ops *virt;

const char *virt_init(void)
{
	const char *why = svm_ops.probe();

	if (why)
		return why;
	virt = &svm_ops;
	printk(LOG_INFO, "Hardware virtualisation: %s\n", virt->name);
	cpu_show_guards();
	return NULL;
}
