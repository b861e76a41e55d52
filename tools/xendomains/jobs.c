/* Runs of xl under way: bounded in number and in time, what they print is kept until they end. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "xendomains.h"

#define MAX_JOBS 8
#define MAX_WORDS 24
#define OUTPUT_SHOWN 600

static struct {
	struct job *all;
	unsigned nr;
} jobs;

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* xl with @words and @last; its output goes to @output, its messages too if @messages. */
static pid_t start(const char *words, const char *last, int output, bool messages)
{
	char *copy = xasprintf("xl %s", words), *argv[MAX_WORDS + 2], *rest;
	unsigned n = 0;
	pid_t pid;

	for (char *w = strtok_r(copy, " ", &rest); w && n < MAX_WORDS; w = strtok_r(NULL, " ", &rest))
		argv[n++] = w;
	if (last)
		argv[n++] = (char *)(uintptr_t)last;
	argv[n] = NULL;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(output, STDOUT_FILENO);
		if (messages)
			dup2(output, STDERR_FILENO);
		execvp("xl", argv);
		fprintf(stderr, "xl: %s\n", strerror(errno));
		_exit(127);
	}
	free(copy);
	if (pid < 0) {
		perror("xendomains: fork");
		exit(1);
	}
	return pid;
}

static void ended(pid_t pid, int status)
{
	for (struct job **at = &jobs.all, *j; (j = *at); at = &j->next) {
		if (j->pid != pid)
			continue;
		*at = j->next;
		jobs.nr--;
		j->done(j, WIFEXITED(status) && WEXITSTATUS(status) == 0);
		close(j->output);
		free(j->name);
		free(j->file);
		free(j);
		return;
	}
}

/* Wait until fewer than @limit are under way; those whose time is over are ended. */
static void wait_below(unsigned limit)
{
	struct timespec second = { .tv_sec = 1 };
	sigset_t child;
	int status;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	for (;;) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			ended(pid, status);
		if (jobs.nr < limit)
			return;
		for (struct job *j = jobs.all; j; j = j->next)
			if (j->deadline && !j->late && now() >= j->deadline) {
				j->late = true;
				kill(j->pid, SIGTERM);
			}
		sigtimedwait(&child, NULL, &second);
	}
}

void job_start(const char *name, const char *file, unsigned max_wait, void (*done)(struct job *j, bool ok),
	       const char *words, const char *last)
{
	struct job *j = xcalloc(1, sizeof(*j));

	wait_below(MAX_JOBS);
	j->name = xstrdup(name);
	j->file = file ? xstrdup(file) : NULL;
	j->deadline = max_wait ? now() + (long)max_wait : 0;
	j->done = done;
	j->output = memfd_create("xl", MFD_CLOEXEC);
	j->pid = start(words, last, j->output, true);
	j->next = jobs.all;
	jobs.all = j;
	jobs.nr++;
}

void jobs_wait(void)
{
	wait_below(1);
}

char *job_output(const struct job *j)
{
	char *s = xcalloc(OUTPUT_SHOWN + 1, 1);
	ssize_t n = pread(j->output, s, OUTPUT_SHOWN, 0);

	while (n > 0 && s[n - 1] == '\n')
		s[--n] = 0;
	return s;
}

char *xl_output(const char *words, const char *last)
{
	int output = memfd_create("xl", MFD_CLOEXEC), status = -1;
	pid_t pid = start(words, last, output, false);
	struct text t = { 0 };
	char part[4096];
	ssize_t n;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	for (off_t at = 0; (n = pread(output, part, sizeof(part), at)) > 0; at += n)
		text_add_bytes(&t, part, (size_t)n);
	close(output);
	text_add(&t, "");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return t.s;
	text_free(&t);
	return NULL;
}
