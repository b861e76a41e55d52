/* xenstore-control: commands to the daemon itself. Exit status 2 for a wrong command line, 3 when the daemon refuses. */
#include "xenstore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int control_usage(const char *program)
{
	fprintf(stderr, "Usage:\n%s <command> [<arg>...]\n", program);
	return 2;
}

/* The daemon's text, or NULL after saying why not. */
static char *command(struct store *s, const char *const *words, unsigned nr)
{
	static const char *const help[] = { "help" };
	char *reply = store_control(s, words, nr), *commands;
	if (reply)
		return reply;
	if (errno != EINVAL) {
		fprintf(stderr, "Error %d when trying to execute command: %s.\n", errno, strerror(errno));
		return NULL;
	}
	commands = store_control(s, help, 1);
	if (commands)
		fprintf(stderr, "Command not supported. Valid commands are:\n%s\n", commands);
	else
		fprintf(stderr, "Error when executing command.\n");
	free(commands);
	return NULL;
}

/* A step of the live update. 0 or the exit status. */
static int step(struct store *s, const char *what, const char *const *words, unsigned nr)
{
	char *reply = command(s, words, nr);
	int rc = 3;
	if (reply && !strcmp(reply, "OK"))
		rc = 0;
	else if (reply)
		fprintf(stderr, "%s failed:\n%s\n", what, reply);
	free(reply);
	return rc;
}

/* Ask for the start until the daemon is no longer busy with open transactions. */
static int start_update(struct store *s, const char *seconds, bool force)
{
	static const char *const abort_words[] = { "live-update", "-a" };
	const char *words[5] = { "live-update", "-s" };
	time_t end = time(NULL) + (seconds ? atoi(seconds) : 60) + 1;
	unsigned nr = 2;
	char *reply;
	int rc = 3;
	if (seconds) {
		words[nr++] = "-t";
		words[nr++] = seconds;
	}
	if (force)
		words[nr++] = "-F";
	for (;;) {
		reply = command(s, words, nr);
		if (!reply || strcmp(reply, "BUSY") || time(NULL) > end)
			break;
		free(reply);
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
	if (reply && !strcmp(reply, "OK"))
		rc = 0;
	else if (reply)
		fprintf(stderr, "Starting live update failed:\n%s\n", reply);
	if (rc)
		free(store_control(s, abort_words, 2));
	free(reply);
	return rc;
}

static int update(struct store *s, int argc, char **argv)
{
	const char *file = NULL, *line = NULL, *seconds = NULL;
	bool force = false;
	int rc;
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "-c")) {
			if (++i == argc) {
				fprintf(stderr, "Missing command line value\n");
				return 2;
			}
			line = argv[i];
		} else if (!strcmp(argv[i], "-t")) {
			if (++i == argc) {
				fprintf(stderr, "Missing timeout value\n");
				return 2;
			}
			seconds = argv[i];
		} else if (!strcmp(argv[i], "-F")) {
			force = true;
		} else {
			file = argv[i];
		}
	}
	if (!file) {
		fprintf(stderr, "Missing binary specification\n");
		return 2;
	}
	rc = step(s, "Setting update binary", (const char *[]){ "live-update", "-f", file }, 3);
	if (!rc && line)
		rc = step(s, "Setting update command line", (const char *[]){ "live-update", "-c", line }, 3);
	if (!rc)
		rc = start_update(s, seconds, force);
	if (!rc)
		puts("OK");
	return rc;
}

/* The words after the options are the command. Returns the exit status. */
int cmd_control(struct store *s, const struct settings *set, int argc, char **argv)
{
	struct text out = { 0 };
	char *reply;
	if (!strcmp(argv[0], "live-update"))
		return update(s, argc - 1, argv + 1);
	reply = command(s, (const char *const *)argv, (unsigned)argc);
	if (!reply)
		return 3;
	if (set->json) {
		text_add(&out, "{\"reply\": ");
		text_json(&out, reply, strlen(reply));
		text_add(&out, "}\n");
	} else if (*reply) {
		text_add(&out, "%s\n", reply);
	}
	text_print(&out);
	text_free(&out);
	free(reply);
	return 0;
}
