/*
 * Every place that allocates fails once, and again at each of its first uses, while some work is done: what needed it says so, nothing falls over, and when the same is
 * done again in peace, as much is in use, and devices are as they would be, without the failure. Each trial is a process of its own, so nothing an earlier one left counts.
 *
 * The places are the call instructions in the test program itself (found by objdump), so one that is new is either made to fail by some work or excused with a reason.
 * A program includes this once and is linked with the allocator's functions wrapped (tests.mk).
 */
#ifndef NO_MEMORY_H
#define NO_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/errno.h"
#include "hv/mm.h"
#include "hv/overhead.h"

#define MAX_PLACES 256u
#define USES 4u /* of one place that each fail in turn */

/* What is done while memory lacks. */
struct no_memory_work {
	const char *name;
	void (*begin)(void); /* once, with memory; every trial starts from here */
	void (*work)(void);
	uint64_t (*state)(void); /* of the devices, afterwards; NULL: there are none */
};

/* Places no work of a program makes fail. */
struct no_memory_excuse {
	const char *function, *why;
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
	bool fired, answered, counts;
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
	setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failure is told and ends the process */
	trial->target = place;
	trial->countdown = use;
	trial->counts = true;
	w->work();
	trial->counts = false;
	assert_int_equal(trial->fired, use != 0);
	assert_int_equal(trial->answered, use != 0);
	trial->fired = false;
	trial->answered = false;
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

/* The functions and lines of @n places, by the debug information, into @name. */
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

/* Each place that @w comes by fails, at each of its first uses. */
static void each_place_fails(const struct no_memory_work *w)
{
	unsigned uses[MAX_PLACES], wrong = 0, nr;
	struct in_use peace, left;

	trial->countdown = 0;
	w->begin();
	assert_true(in_use_after(w, 0, 0, &peace));
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
	assert_int_equal(wrong, 0);
}

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
		after = strstr(end, "<__wrap_") != NULL && strstr(end, "call") != NULL;
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

/* The call instructions of this program against those that failed; each of @excuses is of use. */
static void all_places_failed(const struct no_memory_excuse *excuses, size_t nr_excuses)
{
	static char name[MAX_PLACES][256];
	uintptr_t found[MAX_PLACES];
	unsigned wrong = 0, nr = find_places(found);
	bool used[MAX_PLACES] = { false };

	assert_true(nr > 30);
	names_of(found, nr, name);
	for (unsigned i = 0; i < nr; i++) {
		size_t len = strcspn(name[i], " "), e;
		bool failed = has_failed(found[i]);

		for (e = 0; e < nr_excuses; e++)
			if (strlen(excuses[e].function) == len && !memcmp(excuses[e].function, name[i], len))
				break;
		if (e < nr_excuses)
			used[e] = true;
		if (failed == (e < nr_excuses)) {
			print_error("%s: %s\n", failed ? "fails, yet is excused" : "never fails", name[i]);
			wrong++;
		}
	}
	for (size_t e = 0; e < nr_excuses; e++)
		if (!used[e]) {
			print_error("excused, yet allocates nothing: %s\n", excuses[e].function);
			wrong++;
		}
	assert_int_equal(wrong, 0);
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
