/* Asks for a reboot at once, for ever: its rebuilding must never hurt anybody else. */
#include "lib/guest.h"

void guest_main(void)
{
	say("rebooting\n");
	shut_down(1);
}
