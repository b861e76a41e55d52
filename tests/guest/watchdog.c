/* guest: timeout=30 */
/* The watchdog fires: the domain ends with reason "watchdog". */
#include "lib/ops.h"

void guest_main(void)
{
	struct {
		uint32_t id, timeout;
	} w = { 0, 1 };

	show("watchdog", sched_op(6, &w));
	for (;;)
		asm volatile("pause");
}
