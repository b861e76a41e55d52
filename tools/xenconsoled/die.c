#include "die.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void die_here(const char *step)
{
	static long left = -1;
	const char *where = getenv("XENCONSOLED_DIE_AT");
	size_t len = strlen(step);

	if (!where || strncmp(where, step, len) || (where[len] && where[len] != ':'))
		return;
	if (left < 0)
		left = where[len] ? atol(where + len + 1) : 1;
	if (--left == 0)
		kill(getpid(), SIGKILL);
}
