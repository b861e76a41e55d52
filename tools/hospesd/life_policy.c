/* What becomes of a domain that ended. */
#include "life.h"
#include "sched.h"

#include <stddef.h>

const char *life_reason_name(unsigned reason)
{
	static const char *const names[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", "soft-reset" };
	return reason < sizeof(names) / sizeof(*names) ? names[reason] : "unknown";
}

const char *life_action_name(enum domain_action a)
{
	static const char *const names[] = {
		[ACTION_DESTROY] = "destroy",
		[ACTION_RESTART] = "restart",
		[ACTION_RENAME_RESTART] = "rename-restart",
		[ACTION_PRESERVE] = "preserve",
		[ACTION_COREDUMP_DESTROY] = "coredump-destroy",
		[ACTION_COREDUMP_RESTART] = "coredump-restart",
		[ACTION_SOFT_RESET] = "soft-reset",
	};
	return (size_t)a < sizeof(names) / sizeof(*names) ? names[a] : "unknown";
}

enum domain_action life_action(const struct domain_config *c, unsigned reason)
{
	if (!c)
		return ACTION_DESTROY;
	switch (reason) {
	case SHUTDOWN_poweroff:
		return c->on_poweroff;
	case SHUTDOWN_reboot:
		return c->on_reboot;
	case SHUTDOWN_suspend:
		/* Whoever asked for it goes on with the domain. */
		return ACTION_PRESERVE;
	case SHUTDOWN_crash:
		return c->on_crash;
	case SHUTDOWN_watchdog:
		return c->on_watchdog;
	case SHUTDOWN_soft_reset:
		return c->on_soft_reset;
	default:
		/* A guest may give any number. */
		return ACTION_DESTROY;
	}
}
