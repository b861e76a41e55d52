#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/problem.h"
#include "base/text.h"

#define MAX_OUTPUT 16384 /* what comes after that is read and forgotten */
#define MAX_WORDS 16

struct script {
	char *path;
	pid_t pid;
	int pidfd, out;
	struct loop_fd *pid_watch, *out_watch;
	struct timer deadline;
	bool late;
	struct text output;
	script_done *done;
	void *arg;
};

static void take_output(struct script *s)
{
	char buf[4096];
	ssize_t n;
	while ((n = read(s->out, buf, sizeof(buf))) > 0)
		if (s->output.len < MAX_OUTPUT)
			text_add_bytes(&s->output, buf, (size_t)n);
	if (n == 0) {
		loop_remove(s->out_watch);
		s->out_watch = NULL;
	}
}

static void output_ready(void *arg, uint32_t events)
{
	(void)events;
	take_output(arg);
}

/* The last line that says something. */
static const char *last_words(struct text *t)
{
	char *line;
	while (t->len && strchr(" \t\r\n", t->s[t->len - 1]))
		t->s[--t->len] = '\0';
	if (!t->len)
		return "it printed nothing";
	line = strrchr(t->s, '\n');
	return line ? line + 1 : t->s;
}

static void ended(void *arg, uint32_t events)
{
	struct script *s = arg;
	struct problem p;
	int status = 0;
	(void)events;
	if (waitpid(s->pid, &status, WNOHANG) != s->pid)
		return;
	take_output(s);
	timer_cancel(&s->deadline);
	/* Whatever it left in the background goes too: it would keep the device. */
	kill(-s->pid, SIGKILL);
	problem_init(&p);
	if (s->late)
		problem_set(&p, ETIMEDOUT, "script-timeout", "hotplug",
			    "run it by hand with the same XENBUS_PATH to see where it hangs",
			    "%s did not end in time and was killed; its last words: %s", s->path,
			    last_words(&s->output));
	else if (!WIFEXITED(status) || WEXITSTATUS(status))
		problem_set(&p, EIO, "script-failed", "hotplug", "correct what it complains of, or the script",
			    "%s ended with status %d: %s", s->path,
			    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), last_words(&s->output));
	loop_remove(s->pid_watch);
	loop_remove(s->out_watch);
	close(s->pidfd);
	close(s->out);
	s->done(s->arg, p.err ? &p : NULL, s->output.s ? s->output.s : "");
	text_free(&s->output);
	free(s->path);
	free(s);
}

static void too_late(void *arg)
{
	struct script *s = arg;
	s->late = true;
	kill(-s->pid, SIGKILL);
}

/* Start the program, its output to @out, as leader of a group of its own. 0 or an errno value. */
static int spawn(pid_t *pid, const char *path, char *const *argv, char *const *env, int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, out, 2);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	rc = posix_spawn(pid, path, &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

struct script *script_start(const char *path, char *const *args, char *const *env, unsigned ms, script_done *done,
			    void *arg, struct problem *p)
{
	static char safe_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		    lang[] = "LANG=C";
	char *argv[MAX_WORDS + 2] = { (char *)path }, *envp[MAX_WORDS + 3] = { safe_path, lang };
	struct script *s;
	int pipe_fds[2], rc;
	pid_t pid;
	for (unsigned i = 0; i < MAX_WORDS && args[i]; i++)
		argv[i + 1] = args[i];
	for (unsigned i = 0; i < MAX_WORDS && env[i]; i++)
		envp[i + 2] = env[i];
	if (pipe2(pipe_fds, O_CLOEXEC)) {
		problem_set(p, errno, "script-failed", "hotplug", "free descriptors", "no pipe for %s: %s", path,
			    strerror(errno));
		return NULL;
	}
	rc = spawn(&pid, path, argv, envp, pipe_fds[1]);
	close(pipe_fds[1]);
	if (rc) {
		close(pipe_fds[0]);
		problem_set(p, rc, "script-failed", "hotplug",
			    "correct the script's name in the configuration, or make it executable",
			    "%s cannot be run: %s", path, strerror(rc));
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	s->path = xstrdup(path);
	s->pid = pid;
	s->done = done;
	s->arg = arg;
	s->out = pipe_fds[0];
	fcntl(s->out, F_SETFL, O_NONBLOCK);
	s->out_watch = loop_add(s->out, EPOLLIN, output_ready, s);
	/* Not reaped yet, so the number is still that of our child. */
	s->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (s->pidfd < 0) {
		perror("hospesd: pidfd_open");
		abort();
	}
	s->pid_watch = loop_add(s->pidfd, EPOLLIN, ended, s);
	timer_set(&s->deadline, ms, too_late, s);
	return s;
}
