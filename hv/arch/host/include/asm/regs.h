/* The emulator's pure parts run on the host too, with the real register layout. No guard: the included header has one. */
#include "../../../x86/include/asm/regs.h"
