/* The command, and the jump: what an administrator orders in steps (-f, -c, -s, -a), and the exec that carries it out. */
#include "update.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn_io.h"
#include "domain.h"
#include "hyper.h"
#include "journal_io.h"
#include "loop.h"
#include "options.h"
#include "os_linux.h"
#include "trace.h"

#define DEFAULT_TIMEOUT_S 60
#define ARGS_MAX 64

/* A program that has this in it goes on with open transactions; for another one they must end first. */
static const char keeps_transactions[] = "xenstored: takes over open transactions, form 1";

extern char **environ;

static struct {
	struct conn *owner; /* whose session it is */
	char file[PATH_MAX];
	char *args; /* of -c */
	/* -s */
	bool started, force, keeps;
	uint64_t deadline;
	uint32_t req, tx;
} update;

static void session_end(void)
{
	free(update.args);
	memset(&update, 0, sizeof(update));
}

void update_forget(const struct conn *c)
{
	if (update.owner == c)
		session_end();
}

bool update_pending(void)
{
	return update.started;
}

static void answer(struct conn *c, uint32_t req, uint32_t tx, const char *text)
{
	conn_reply(c, XS_CONTROL, req, tx, text, strlen(text) + 1);
}

static const char *set_file(struct conn *c, const char *file)
{
	if (update.owner)
		return "live-update session already active.";
	if (strlen(file) >= sizeof(update.file) || access(file, X_OK))
		return "File not accessible.";
	update.owner = c;
	strcpy(update.file, file);
	return "OK";
}

static const char *set_args(struct conn *c, const char *args)
{
	char *copy;

	if (update.owner != c)
		return "Not in live-update session.";
	copy = strdup(args);
	if (!copy)
		return "out of memory";
	free(update.args);
	update.args = copy;
	return "OK";
}

static bool program_keeps_transactions(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool found = false;
	void *p;

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED) {
			found = memmem(p, (size_t)st.st_size, keeps_transactions, sizeof(keeps_transactions));
			munmap(p, (size_t)st.st_size);
		}
	}
	close(fd);
	return found;
}

/* "-s" and its options. NULL: no answer yet. EINVAL is said by @bad. */
static const char *set_start(struct conn *c, uint32_t req, uint32_t tx, const char **words, int nr, bool *bad)
{
	uint64_t timeout = DEFAULT_TIMEOUT_S;
	bool force = false;

	for (int i = 1; i < nr; i++) {
		if (!strcmp(words[i], "-F"))
			force = true;
		else if (!strcmp(words[i], "-t") && i + 1 < nr && wire_parse_number(words[i + 1], 86400, &timeout))
			i++;
		else
			*bad = true;
	}
	if (*bad)
		return NULL;
	if (update.owner != c)
		return "Not in live-update session.";
	update.started = true;
	update.force = force;
	update.keeps = program_keeps_transactions(update.file);
	update.deadline = loop_now() + timeout * 1000;
	update.req = req;
	update.tx = tx;
	return NULL;
}

void update_control(struct conn *c, uint32_t req, uint32_t tx, const char *args, size_t len)
{
	const char *words[8], *text = NULL;
	int nr = wire_split(args, len, words, 8);
	bool bad = nr < 1 || nr > 8;

	if (!bad && !strcmp(words[0], "-f") && nr == 2)
		text = set_file(c, words[1]);
	else if (!bad && !strcmp(words[0], "-c") && nr == 2)
		text = set_args(c, words[1]);
	else if (!bad && !strcmp(words[0], "-a") && nr == 1)
		text = update.owner == c ? "OK" : "No live-update session active.";
	else if (!bad && !strcmp(words[0], "-s"))
		text = set_start(c, req, tx, words, nr, &bad);
	else
		bad = true;
	if (bad) {
		conn_error(c, req, tx, EINVAL);
		return;
	}
	if (text)
		answer(c, req, tx, text);
	if (!strcmp(words[0], "-a"))
		update_forget(c);
}

static void keep_open(bool keep)
{
	int flag = keep ? 0 : FD_CLOEXEC;

	fcntl(socket_listen_fd(), F_SETFD, flag);
	if (hyper->keep_fd() >= 0)
		fcntl(hyper->keep_fd(), F_SETFD, flag);
	for (struct conn_io *io = conn_first(); io; io = io->next)
		if (io->source.fd >= 0)
			fcntl(io->source.fd, F_SETFD, flag);
}

/* Another's daemon looks for its state in a file. Ours has it in memory. */
static void write_file(void)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", options.rundir, UPDATE_FILE);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (update_write(fd, 1))
		unlink(path);
	close(fd);
}

/* The arguments we were started with, or those of -c, without what only this start was for; and -U. */
static void make_argv(char **argv, char *program)
{
	unsigned n = 1;

	argv[0] = program;
	if (update.args) {
		for (char *word = strtok(update.args, " "); word && n < ARGS_MAX - 2; word = strtok(NULL, " "))
			argv[n++] = word;
	} else {
		for (char **a = options.argv + 1; *a && n < ARGS_MAX - 2; a++)
			if (strcmp(*a, "-U") && strcmp(*a, "--live-update"))
				argv[n++] = *a;
	}
	argv[n++] = (char *)"-U";
	argv[n] = NULL;
}

/* Does not return if all goes well. */
static int jump(void)
{
	char *argv[ARGS_MAX], number[16];
	int fd = os_memory_file("xenstored-update"), err;

	if (fd < 0)
		return errno;
	answer(update.owner, update.req, update.tx, "OK");
	err = update_write(fd, 2);
	if (!err && update.file[0])
		write_file();
	if (!err) {
		snprintf(number, sizeof(number), "%d", fd);
		setenv(UPDATE_FD_VARIABLE, number, 1);
		journal_quiesce();
		domain_hand_over(true);
		keep_open(true);
		make_argv(argv, update.file);
		os_signals_release(true);
		execve(update.file, argv, environ);
		err = errno;
		os_signals_release(false);
		keep_open(false);
		domain_hand_over(false);
		unsetenv(UPDATE_FD_VARIABLE);
	}
	queue_drop_last(update.owner);
	close(fd);
	return err;
}

static unsigned open_transactions(void)
{
	unsigned n = 0;

	for (struct conn_io *io = conn_first(); io; io = io->next)
		n += io->c->nr_transactions;
	return n;
}

void update_poll(void)
{
	struct conn *c = update.owner;
	char text[128];
	int err;

	if (!update.started)
		return;
	if (!update.force && open_transactions() && !update.keeps) {
		if (loop_now() < update.deadline)
			return;
		snprintf(text, sizeof(text), "Domains with long running transactions: %u are open.",
			 open_transactions());
		answer(c, update.req, update.tx, text);
	} else {
		err = jump();
		snprintf(text, sizeof(text), "%.64s: %s", update.file, strerror(err));
		notice("update failed: %s", text);
		answer(c, update.req, update.tx, text);
	}
	session_end();
	conn_flush_all(); /* the turn's own flush is over */
}
