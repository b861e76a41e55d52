#include "die.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void die_here(const char *step)
{
	static long left = -1;
	const char *stop = getenv("XENCONSOLED_STOP_AT");
	const char *where = getenv("XENCONSOLED_DIE_AT");
	size_t len = strlen(step);

	if (stop && strcmp(stop, step) == 0) {
		unsetenv("XENCONSOLED_STOP_AT");
		kill(getpid(), SIGSTOP);
	}
	if (!where || strncmp(where, step, len) || (where[len] && where[len] != ':'))
		return;
	if (left < 0)
		left = where[len] ? atol(where + len + 1) : 1;
	if (--left == 0)
		kill(getpid(), SIGKILL);
}
