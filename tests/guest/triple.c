/* Ends in a triple fault: an exception with no table to handle it. Only this domain may suffer. The benchmark counts until it begins. */
#include "../bench/mark.h"
#include "lib/guest.h"

void guest_main(void)
{
	struct {
		uint16_t limit;
		unsigned long base;
	} __attribute__((packed)) none = { 0, 0 };

	MARK(1);
	say("about to triple fault\n");
	asm volatile("lidt %0; ud2" : : "m"(none));
}
