/* A guest that ends by SCHEDOP_shutdown(crash). */
#include "lib/ops.h"

void guest_main(void)
{
	say("crashing\n");
	shut_down(3);
}
