/* The command line: Debian's, and a few of our own. */
#ifndef XENCONSOLED_OPTIONS_H
#define XENCONSOLED_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct options {
	bool interactive, verbose;
	bool starting; /* somebody waits at a terminal for us to serve */
	bool log_guest, log_hv;
	bool time_guest, time_hv;
	bool keep_overflow; /* let guests wait for who reads their terminal, instead of dropping what is old */
	bool replace_escape;
	const char *log_dir, *pid_file;
	const char *history_dir; /* "": memory */
	size_t history_size;
	unsigned history_dead; /* domains that are gone, whose output is kept */
	const char *socket;
};

extern struct options options;

/* Ends the program for --help, --version and what it does not understand. */
void options_parse(int argc, char **argv);

/* For people: the system log, or standard error in the foreground. */
void notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void verbose(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
