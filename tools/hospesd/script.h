/* Hotplug scripts a configuration names: run with a deadline, what they print is kept. */
#ifndef HOSPESD_SCRIPT_H
#define HOSPESD_SCRIPT_H

struct problem;
struct script;

/* @p is NULL if it ended with status 0; else code "script-failed" or "script-timeout" and what it printed last. @output: all it printed. */
typedef void script_done(void *arg, const struct problem *p, const char *output);

/*
 * Run @path @args... (NULL-terminated, without argv[0]) with @env (NULL-terminated, "NAME=value") added to a small environment. NULL: it could not be
 * started, *@p says why. It and what it started are killed at the deadline.
 */
struct script *script_start(const char *path, char *const *args, char *const *env, unsigned ms, script_done *done,
			    void *arg, struct problem *p);

#endif
