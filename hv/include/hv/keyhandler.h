/* Debug keys: a single key typed while Hospes has the console. hv/core/keyhandler.c. */
#ifndef HV_KEYHANDLER_H
#define HV_KEYHANDLER_H

#include "hv/types.h"

/* @fn runs in SOFTIRQ_CONSOLE with no lock held; it may printk. A later registration of the same key replaces the first. Boot only. */
typedef void keyhandler_fn(void);
void keyhandler_register(char key, keyhandler_fn *fn, const char *what);
/* Key pressed (or sent by a tool): runs its handler; unknown ones point to `h`. */
void keyhandler_run(char key);
/* The built-in ones: h, q, t, R. */
void keyhandler_init(void);

#endif
