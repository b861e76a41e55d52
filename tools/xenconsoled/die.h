/* For tests: the daemon kills itself at the step XENCONSOLED_DIE_AT names, "step" or "step:count", and stops once at the one XENCONSOLED_STOP_AT names. */
#ifndef XENCONSOLED_DIE_H
#define XENCONSOLED_DIE_H

void die_here(const char *step);

#endif
