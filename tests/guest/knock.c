/* guest: oracle=no compare=no */
/* Writes a word into its console's ring, knocks on the console's port and powers off: whoever made the domain sees by that that it ran. */
#include "lib/ops.h"

#define HVM_PARAM_CONSOLE_PFN 17
#define HVM_PARAM_CONSOLE_EVTCHN 18

struct ring {
	char in[1024], out[2048];
	uint32_t in_cons, in_prod, out_cons, out_prod;
};

static unsigned long param(uint32_t index)
{
	struct hvm_param p = { SELF, 0, index, 0 };

	return hvm_op(1, &p) ? 0 : (unsigned long)p.value;
}

void guest_main(void)
{
	volatile struct ring *ring = (volatile struct ring *)(param(HVM_PARAM_CONSOLE_PFN) << 12);
	static const char word[] = "alive\n";

	for (unsigned i = 0; i < sizeof(word) - 1; i++)
		ring->out[i] = word[i];
	__atomic_store_n(&ring->out_prod, sizeof(word) - 1, __ATOMIC_RELEASE);
	ev_port_op(EV_send, (uint32_t)param(HVM_PARAM_CONSOLE_EVTCHN));
}
