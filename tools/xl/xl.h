/* What all commands of xl share. A command is a file cmd-*.c with its entry in commands.c. */
#ifndef XL_H
#define XL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/problem.h"
#include "base/text.h"

struct hcall;
struct store;
struct rpc;
struct json_object;

/* Exit statuses of Debian's xl. */
enum { XL_OK = 0, XL_FAILED = 1, XL_USAGE = 2 };

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; an exit status */
	bool dry_run;			   /* knows -N */
	bool modifies;			   /* changes something: its usage shows -f */
	const char *what;		   /* one sentence for the list */
	const char *usage;		   /* behind the name */
	const char *options;		   /* lines for its own help, or NULL */
};

extern const struct command commands[];
extern const unsigned nr_commands;
/* By name or a beginning that is no other's. */
const struct command *command_find(const char *name);
void command_help(const struct command *c);
int cmd_help(int argc, char **argv);

/* The global options. */
bool xl_dry_run(void);
bool xl_force(void);
bool xl_verbose(void);
bool xl_json(void);
void xl_set_options(bool dry_run, bool force, int verbose, bool json, bool progress);
/* True if progress may be drawn: errors go to a terminal, or -t was given. */
bool xl_progress(void);
/* One line of progress, drawn over the last; then take it away, before anything else is printed. */
void xl_draw(const char *step, uint64_t done, uint64_t total);
void xl_draw_end(void);
/* Nothing is drawn: -q was given. */
void xl_set_quiet(void);

/* Handles, opened when they are first needed. Who cannot have one ends with a problem and status 1. */
struct hcall *xl_hcall(void);
struct store *xl_store(void);
struct rpc *xl_rpc(void);
/* As xl_store(), but NULL where there is none. */
struct store *xl_store_try(void);

/* Say what is wrong, as text or with --json as an object, on stderr. Returns XL_FAILED. */
int xl_problem(const struct problem *p);
/* To be called before anything is said: by who has the terminal in a state in which it could not be read. */
void xl_before_complaints(void (*fn)(void));
/* The same for a cause found here. */
int xl_fail(int err, const char *code, const char *step, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/*
 * As xl_fail(), but people hear the sentence alone, with all its dots and empty lines, for it is Debian's and others parse it. With --json it is the cause.
 */
int xl_refuse(int err, const char *code, const char *step, const char *next, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* A hypercall about @domid failed with @rc (-errno). */
int xl_hcall_failed(int rc, uint32_t domid, const char *step, const char *what);
/* Print as a line, by json-c's @flags, and put. */
void xl_put_json(FILE *to, struct json_object *o, int flags);
/* To standard output, for people too; then XL_OK. */
int xl_print_json(struct json_object *o);

/*
 * Options as getopt takes them, with the answers of Debian's xl: -h prints the help and ends with 0, an unknown one ends with 2, too few words
 * end with 2. Returns the option, or -1 at the end; then words begin at optind.
 */
struct option;
int xl_option(const struct command *c, int argc, char **argv, const char *shorts, const struct option *longs,
	      int nr_words);
/*
 * What is left of the words of a command that takes a configuration, in any order: @file, if no option gave it, and settings, which end with NULL. False:
 * there is another word, which was said.
 */
bool xl_config_words(int argc, char **argv, const char **file, char ***settings);
/* The command that runs. */
const struct command *xl_command(void);
#define XL_NO_LONG ((const struct option *)0)

/* Ask hospesd; draws progress. NULL: the problem is in @p, or without @p said already. */
struct json_object *xl_ask(const char *method, struct json_object *params, struct problem *p);
/* The whole of a verb that asks for one thing: the problem is told, or the answer with --json. XL_OK or XL_FAILED. @params is taken over. */
int xl_do(const char *method, struct json_object *params);
/* Be told of events from now on, while others are asked or waited for. Both give an exit status. */
typedef void xl_event(void *arg, const char *event, uint32_t domid, struct json_object *params);
int xl_events(xl_event *fn, void *arg);
int xl_wait_event(void);
/* {"domain": domid}. */
struct json_object *xl_domain_params(uint32_t domid);

/* "256", "1g", "4096k": to bytes; plain numbers are MiB. False: not a size. */
bool xl_parse_size(const char *s, uint64_t *kib);

#endif
