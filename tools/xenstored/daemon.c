/* From nothing to serving. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "conn_io.h"
#include "domain.h"
#include "hyper.h"
#include "journal_io.h"
#include "options.h"
#include "store.h"
#include "trace.h"
#include "update.h"

void daemon_die(const char *what, int err)
{
	notice("%s: %s", what, strerror(err));
	exit(1);
}

static void open_hypervisor(void)
{
	int err;

	if (options.fake_dir)
		hyper = &hyper_fake;
	else if (!options.no_domain_init)
		hyper = &hyper_xen;
	err = hyper->open();
	if (err)
		daemon_die(options.fake_dir ? options.fake_dir : "the hypervisor's devices (-D serves without them)",
			   err);
}

/* What was there before us: handed over, or left behind by a death. */
static void take_over(void)
{
	int err;

	if (options.live_update) {
		err = update_take_over();
		if (err)
			daemon_die("the state of the daemon before", err);
		return;
	}
	if (!options.journal || options.no_recovery)
		return;
	err = journal_recover(options.journal_file);
	if (err && err != ENOENT)
		notice("starting with an empty store: %s: %s", options.journal_file, strerror(err));
}

/*
 * One daemon for a socket: of two that start at the same time neither finds it served. The lock goes with the process, and stays over the exec of an update,
 * for which the descriptor is left open.
 */
static void lock_socket(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s.lock", options.socket);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		daemon_die(path, errno);
	if (flock(fd, LOCK_EX | LOCK_NB) || socket_is_served(options.socket))
		daemon_die(options.socket, EADDRINUSE);
}

void daemon_start(void)
{
	int err;

	if (!options.live_update)
		lock_socket();
	if (options.live_update && (err = update_load()))
		daemon_die("the state of the daemon before", err);
	open_hypervisor();
	if ((err = domain_init()) || (err = store_init()))
		daemon_die("the empty store", err);
	take_over();
	if ((err = domain_start()))
		daemon_die("domain 0's ring and the hypervisor's events", err);
	if (options.journal && !journal_active()) {
		err = journal_create(options.journal_file);
		if (err)
			notice("without a journal, the store will not survive this daemon: %s: %s",
			       options.journal_file, strerror(err));
	}
	if (socket_listen_fd() < 0) {
		err = socket_listen(options.socket);
		if (err)
			daemon_die(options.socket, err);
	}
	domain_check_all();
}
