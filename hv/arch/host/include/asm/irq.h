/* The state machines of messages run on the host too, over the real structure. No guard: the included header has one. */
#include "../../../x86/include/asm/irq.h"
