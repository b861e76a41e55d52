/* guest: oracle=no compare=no */
/* Sleeps for ever without a word: on Hospes it has the console's focus, so that other domains' output comes by whole lines. */
#include "lib/guest.h"

void guest_main(void)
{
	for (;;)
		halt();
}
