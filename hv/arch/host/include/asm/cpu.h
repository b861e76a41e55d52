/* Pure parts of the x86 port run on the host too and need its bits. No guard: the included header has one. */
#include "../../../x86/include/asm/cpu.h"
