/*
 * Every place that allocates fails once, and again at each of its first uses, while some work is done: what needed it says so, nothing falls over, and when the same is
 * done again in peace, as much is in use, and devices are as they would be, without the failure. Each trial is a process of its own, so nothing an earlier one left counts.
 *
 * The places are the call instructions in the test program itself (found by objdump), so one that is new is either made to fail by some work or excused with a reason; so
 * are those that the source has and no test program. A program includes this once and is linked with the allocator's functions wrapped (tests.mk).
 */
#ifndef NO_MEMORY_H
#define NO_MEMORY_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/overhead.h"

#define MAX_PLACES 256u
#define USES 64u /* of one place that each fail in turn */

/* What is done while memory lacks. */
struct no_memory_work {
	const char *name;
	void (*begin)(void); /* once, with memory; every trial starts from here */
	void (*work)(void);
	uint64_t (*state)(void); /* of the devices, afterwards; NULL: there are none */
	bool boot;		 /* is only survived, and not done again */
};

/* Places no work of a program makes fail: of a function, or of a file (NULL). */
struct no_memory_excuse {
	const char *file, *function, *why;
};

struct place {
	uintptr_t address; /* after the call */
	unsigned uses;	   /* in the first run of this trial's work */
	bool failed;	   /* in some trial */
};

/* What is in use after a trial. */
struct in_use {
	uint64_t heap, frames, state;
};

/* Shared with the process of the trial. */
static struct trial {
	struct place place[MAX_PLACES];
	unsigned nr;
	uintptr_t target;   /* this one fails ... */
	unsigned countdown; /* ... at its use of this number; 0: never */
	bool fired, answered, counts, booting;
	struct in_use left;
} * trial;

static const char *program; /* this one, on disk */

/* The allocator's ways in, wrapped by the linker --------------------------------------------------- */

static bool fails(void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	unsigned i;

	for (i = 0; i < trial->nr && trial->place[i].address != at; i++)
		;
	if (i == trial->nr) {
		assert_true(i < MAX_PLACES);
		trial->place[trial->nr++] = (struct place){ at, 0, false };
	}
	trial->place[i].uses += trial->counts;
	if (!trial->countdown || at != trial->target || --trial->countdown)
		return false;
	trial->fired = true;
	trial->place[i].failed = true;
	return true;
}

/* An entry of the allocator with @args, called as (@call). */
#define NO_MEMORY_WRAP(type, name, args, ...) \
	type __real_##name args; \
	type __wrap_##name args; \
	type __wrap_##name args \
	{ \
		return fails(__builtin_return_address(0)) ? NULL : __real_##name(__VA_ARGS__); \
	}

NO_MEMORY_WRAP(void *, heap_alloc, (size_t size, const char *what), size, what)
NO_MEMORY_WRAP(void *, heap_alloc_array, (size_t size, size_t n, const char *what), size, n, what)
NO_MEMORY_WRAP(struct frame *, alloc_frames, (struct domain * owner, unsigned order, unsigned flags), owner, order,
	       flags)
NO_MEMORY_WRAP(struct frame *, alloc_frames_at, (struct domain * owner, mfn_t m, unsigned order, unsigned flags), owner,
	       m, order, flags)
NO_MEMORY_WRAP(void *, alloc_page, (void))
NO_MEMORY_WRAP(void *, overhead_alloc, (struct overhead * o, enum overhead_kind kind, size_t size, const char *what), o,
	       kind, size, what)
NO_MEMORY_WRAP(void *, overhead_alloc_array,
	       (struct overhead * o, enum overhead_kind kind, size_t size, size_t n, const char *what), o, kind, size,
	       n, what)
NO_MEMORY_WRAP(void *, overhead_page, (struct overhead * o, enum overhead_kind kind), o, kind)

/* What the work says of its calls --------------------------------------------------------------------- */

enum without { MUST_SAY, MAY_DO_WITHOUT }; /* a call that lacked memory */

/* A call answered @rc: 0, or @bad once if it was the one that lacked memory. true: go on. */
static bool good(const char *what, long rc, long bad, enum without without)
{
	bool lacked = trial->fired && !trial->answered;

	if (lacked)
		trial->answered = true;
	if (rc == 0 && (!lacked || without == MAY_DO_WITHOUT))
		return true;
	if (!lacked || rc != bad)
		fail_msg("%s: %ld%s", what, rc, lacked ? " for want of memory" : "");
	return false;
}

#define NEEDS(call) good(#call, call, -ENOMEM, MUST_SAY)
#define LIKES(call) good(#call, call, -ENOMEM, MAY_DO_WITHOUT)

/* Trials --------------------------------------------------------------------------------------------------- */

/* In a process of its own: the work with @use of the place failing (0: none), and once more in peace. */
static void do_trial(const struct no_memory_work *w, uintptr_t place, unsigned use)
{
	trial->target = place;
	trial->countdown = use;
	trial->counts = true;
	trial->booting = w->boot;
	w->work();
	trial->counts = false;
	assert_int_equal(trial->fired, use != 0);
	assert_int_equal(trial->answered, use != 0);
	trial->fired = false;
	trial->answered = false;
	if (w->boot)
		_exit(0);
	w->work();
	trial->left = (struct in_use){ heap_bytes_used(), mm_free_frames(), w->state ? w->state() : 0 };
	_exit(0);
}

/* False: the trial failed. */
static bool in_use_after(const struct no_memory_work *w, uintptr_t place, unsigned use, struct in_use *left)
{
	int status;
	pid_t pid;

	for (unsigned i = 0; i < trial->nr; i++)
		trial->place[i].uses = 0;
	trial->fired = trial->answered = false;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		do_trial(w, place, use);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*left = trial->left;
	return status == 0;
}

/* The functions, files and lines of @n places, by the debug information, into @name. */
static void names_of(const uintptr_t *place, unsigned n, char name[][256])
{
	extern const char __executable_start[];
	char command[512 + MAX_PLACES * 20];
	int len = snprintf(command, sizeof(command), "addr2line -p -f -e %s", program);
	FILE *f;

	for (unsigned i = 0; i < n; i++)
		len += snprintf(command + len, sizeof(command) - (size_t)len, " %#lx",
				(unsigned long)(place[i] - 1 - (uintptr_t)__executable_start));
	assert_true((size_t)len < sizeof(command));
	f = popen(command, "r");
	assert_non_null(f);
	for (unsigned i = 0; i < n; i++) {
		assert_non_null(fgets(name[i], sizeof(name[i]), f));
		name[i][strcspn(name[i], "\n")] = '\0';
	}
	assert_int_equal(pclose(f), 0);
}

/* In a process of its own, for what @w begins with is not undone. */
static void fail_each_place(const struct no_memory_work *w)
{
	unsigned uses[MAX_PLACES], wrong = 0, nr;
	struct in_use peace, left;

	trial->countdown = 0;
	w->begin();
	if (!in_use_after(w, 0, 0, &peace))
		_exit(1);
	nr = trial->nr;
	for (unsigned i = 0; i < nr; i++)
		uses[i] = trial->place[i].uses < USES ? trial->place[i].uses : USES;
	for (unsigned i = 0; i < nr; i++) {
		for (unsigned use = 1; use <= uses[i]; use++) {
			bool done = in_use_after(w, trial->place[i].address, use, &left);
			char name[1][256];

			if (done && !memcmp(&left, &peace, sizeof(left)))
				continue;
			wrong++;
			names_of(&trial->place[i].address, 1, name);
			if (!done)
				print_error("%s: %s, use %u: see above\n", w->name, name[0], use);
			else
				print_error("%s: %s, use %u: %ld bytes and %ld frames more in use%s\n", w->name,
					    name[0], use, (long)(left.heap - peace.heap),
					    (long)(peace.frames - left.frames),
					    left.state == peace.state ? "" : ", devices differ");
		}
	}
	_exit(wrong ? 1 : 0);
}

/* Each place that one of the @n works comes by fails, at each of its first uses. */
static void each_place_fails(const struct no_memory_work *works, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int status;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failure is told and ends the process */
			fail_each_place(&works[i]);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* All places: in the machine code, and in the source of what no test can link ----------------------------- */

/* Where calls of the allocator in this program return to. */
static unsigned find_places(uintptr_t found[MAX_PLACES])
{
	extern const char __executable_start[];
	char line[512], command[512];
	bool after = false;
	unsigned nr = 0;
	FILE *f;

	snprintf(command, sizeof(command), "objdump -d --no-show-raw-insn %s", program);
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *end;
		unsigned long at = strtoul(line, &end, 16);

		if (*end != ':' || end == line)
			continue;
		if (after) {
			assert_true(nr < MAX_PLACES);
			found[nr++] = at + (uintptr_t)__executable_start;
		}
		after = strstr(end, "call") && strstr(end, "<__wrap_") && !strstr(end, "<__wrap_panic");
	}
	assert_int_equal(pclose(f), 0);
	return nr;
}

static bool has_failed(uintptr_t address)
{
	for (unsigned i = 0; i < trial->nr; i++)
		if (trial->place[i].address == address)
			return trial->place[i].failed;
	return false;
}

/* Of which part of Hospes a program shows it: test_no_memory_devices, test_no_memory_launch, test_no_memory. */
enum part { PART_DEVICES, PART_LAUNCH, PART_REST };

static enum part part_of(const char *file)
{
	static const struct {
		const char *path;
		enum part part;
	} parts[] = {
		{ "hv/drivers/", PART_DEVICES },
		{ "hv/arch/x86/hwdom/", PART_DEVICES },
		{ "hv/arch/x86/irq.c", PART_DEVICES },
		{ "hv/arch/x86/hvm/vpci", PART_DEVICES },
		{ "hv/arch/x86/hvm/handler.c", PART_DEVICES },
		{ "hv/launch/", PART_LAUNCH },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strncmp(file, parts[i].path, strlen(parts[i].path)))
			return parts[i].part;
	return PART_REST;
}

static struct {
	const struct no_memory_excuse *excuses;
	size_t nr;
	bool *used;
	enum part part;
	const char (*name)[256]; /* of the places found */
	unsigned nr_places, nr_functions, wrong;
	size_t root; /* length of the path before hv/ */
} judge;

/* The excuse of @function, @len bytes, of @file; NULL: none. */
static const struct no_memory_excuse *excuse_of(const char *file, const char *function, size_t len)
{
	for (size_t e = 0; e < judge.nr; e++) {
		const struct no_memory_excuse *x = &judge.excuses[e];

		if (strcmp(x->file, file) ||
		    (x->function && (strlen(x->function) != len || memcmp(x->function, function, len))))
			continue;
		judge.used[e] = true;
		return x;
	}
	return NULL;
}

/* "function at /path/hv/file.c:123" into @file and *@line; false: it is of no part of Hospes. */
static bool file_of(const char *name, char file[256], unsigned long *line)
{
	const char *hv = strstr(name, "/hv/");

	if (!hv)
		return false;
	judge.root = (size_t)(hv + 1 - (strstr(name, " at ") + 4));
	snprintf(file, 256, "%.*s", (int)strcspn(hv + 1, ":"), hv + 1);
	*line = strtoul(hv + 1 + strcspn(hv + 1, ":") + 1, NULL, 10);
	return true;
}

static void wrong(const char *how, const char *what)
{
	print_error("%s: %s\n", how, what);
	judge.wrong++;
}

/*
 * A function that calls the allocator at @line by its source: it is among the places of this program, by its name or, where it is part of another one, by its line; or it is
 * excused.
 */
static void judge_function(const char *file, const char *function, size_t len, unsigned long line)
{
	char text[512];

	judge.nr_functions++;
	for (unsigned i = 0; i < judge.nr_places; i++) {
		unsigned long at;
		char of[256];

		if (file_of(judge.name[i], of, &at) && !strcmp(of, file) &&
		    (at == line || (strcspn(judge.name[i], " ") == len && !memcmp(judge.name[i], function, len))))
			return;
	}
	if (excuse_of(file, function, len))
		return;
	snprintf(text, sizeof(text), "%.*s in %s", (int)len, function, file);
	wrong("not in this program, nor excused", text);
}

/* Does the line of source call the allocator? */
static bool allocates(const char *line)
{
	static const char *const calls[] = {
		"xzalloc(",	   "xzalloc_array(",	    "xzalloc_bytes(", "heap_alloc(",   "heap_alloc_array(",
		"alloc_frames(",   "alloc_frames_at(",	    "alloc_page(",    "overhead_new(", "overhead_new_array(",
		"overhead_alloc(", "overhead_alloc_array(", "overhead_page("
	};

	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
		const char *at = line;

		while ((at = strstr(at, calls[i]))) {
			if (at == line || !strchr("abcdefghijklmnopqrstuvwxyz_0123456789", at[-1]))
				return true;
			at++;
		}
	}
	return false;
}

/* By the layout that clang-format gives it: what begins at the margin and ends without ; or , is a function. */
static void judge_file(const char *path)
{
	const char *file = path + judge.root;
	char line[1024], function[1024] = "", judged[1024] = "";
	unsigned long nr = 0;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		size_t len = strcspn(line, "(");

		nr++;
		if (strchr("\n/#{}", line[0]) || line[0] == ' ')
			continue;
		if (line[0] != '\t' && line[len]) {
			while (len && !strchr(" *", line[len - 1]))
				len--;
			snprintf(function, sizeof(function), "%s", line + len);
		} else if (line[0] == '\t' && allocates(line) && strcmp(function, judged)) {
			judge_function(file, function, strcspn(function, "("), nr);
			memcpy(judged, function, sizeof(judged));
		}
	}
	fclose(f);
}

static int visit(const char *path, const struct stat *s, int type)
{
	size_t len = strlen(path);

	if (type == FTW_F && len > 2 && !strcmp(path + len - 2, ".c") && part_of(path + judge.root) == judge.part)
		judge_file(path);
	return 0;
}

/*
 * The call instructions of this program against those that failed, as far as they are of the part it is for. In the source, functions of that part that are not in the program at
 * all. Each of @excuses is of use.
 */
static void all_places_failed(enum part part, const struct no_memory_excuse *excuses, size_t nr_excuses)
{
	static char name[MAX_PLACES][256];
	uintptr_t found[MAX_PLACES];
	unsigned nr = find_places(found);
	bool used[MAX_PLACES] = { false };
	char root[512] = "", file[256];
	unsigned long line;

	assert_true(nr > 30);
	names_of(found, nr, name);
	judge.excuses = excuses;
	judge.nr = nr_excuses;
	judge.used = used;
	judge.part = part;
	judge.name = (const char(*)[256])name;
	judge.nr_places = nr;
	for (unsigned i = 0; i < nr; i++) {
		bool failed = has_failed(found[i]);

		if (!file_of(name[i], file, &line) || part_of(file) != part)
			continue;
		snprintf(root, sizeof(root), "%.*shv", (int)judge.root, strstr(name[i], " at ") + 4);
		if (failed == (excuse_of(file, name[i], strcspn(name[i], " ")) != NULL))
			wrong(failed ? "fails, yet is excused" : "never fails", name[i]);
	}
	assert_int_equal(ftw(root, visit, 16), 0);
	assert_true(judge.nr_functions > 3);
	for (size_t e = 0; e < nr_excuses; e++)
		if (!used[e])
			wrong("excused, yet allocates nothing",
			      excuses[e].function ? excuses[e].function : excuses[e].file);
	assert_int_equal(judge.wrong, 0);
}

/* Before the tests. */
static void no_memory_init(const char *argv0)
{
	program = argv0;
	trial = mmap(NULL, sizeof(*trial), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (trial == MAP_FAILED)
		abort();
}

#endif
