/* The fake machine's guest-physical map: the format is in asm/p2m.h. */
#include "hv/p2m_entry.h"

unsigned arch_p2m_max_level(void)
{
	return 2;
}
