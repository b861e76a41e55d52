/* Where things are and how they are to be done: the command line, and /etc/xen/xl.conf. */
#ifndef HOSPESD_SETTINGS_H
#define HOSPESD_SETTINGS_H

#include <stdbool.h>

struct settings {
	const char *socket;	/* HOSPESD_SOCKET, /run/hospes/hospesd.socket */
	const char *lib_dir;	/* /var/lib/xen: libxl's user data */
	const char *log_dir;	/* /var/log/xen */
	const char *state_dir;	/* /var/lib/hospes: configurations of restarts under way */
	const char *cache_dir;	/* /var/cache/hospes: unpacked kernels */
	const char *script_dir; /* /etc/xen/scripts */
	const char *conf;	/* /etc/xen/xl.conf */
	const char *qemu;	/* make's QEMU_XEN */
	const char *default_lock_file;
	bool foreground;
	/* Of xl.conf. */
	char *vif_script, *vif_bridge, *vif_gatewaydev, *vif_backend;
	bool run_hotplug_scripts;
	enum { AUTOBALLOON_AUTO, AUTOBALLOON_ON, AUTOBALLOON_OFF } autoballoon;
	char *lock_file;   /* never NULL */
	bool random_domid; /* ids of new domains are chosen by chance, not counted up */
	/* Waits, in milliseconds. */
	unsigned backend_ms;  /* for a back end to take notice of a device, and to let go of it */
	unsigned script_ms;   /* for a hotplug script */
	unsigned console_ms;  /* for xenconsoled to find a new domain */
	unsigned connect_ms;  /* for a running guest's front end */
	unsigned shutdown_ms; /* for a guest to take notice of control/shutdown */
	unsigned dying_ms;    /* for a destroyed domain to go */
	unsigned qemu_ms;     /* for a domain's QEMU to come up and take notice of an image, and to end */
	unsigned balloon_ms;  /* for domain 0 to give more memory back */
	unsigned store_ms;    /* for the store to come back, until who asked is told that it is gone */
};

extern const struct settings *const settings;
/* The command line; 0, or the exit status + 1 after something was said. */
int settings_parse(int argc, char **argv);
/* Read xl.conf (again). A fault is one line on stderr; what is good counts. */
void settings_read_conf(void);
void settings_free(void);
/*
 * Is domain 0 to give memory for new domains? "auto": on Xen unless dom0_mem= is on its command line, as with Debian's xl; not on Hospes, where the
 * launch tree or dom0_mem= always say what domain 0 has.
 */
bool settings_autoballoon(void);

#endif
