/*
 * Tracing: records in Xen's format, in a buffer of each CPU that a control domain maps. Switched off, a trace point is a load and a branch
 * that is never taken. hv/core/trace.c
 */
#ifndef HV_TRACE_H
#define HV_TRACE_H

#include "abi/trace.h"
#include "hv/cpumask.h"
#include "hv/mm.h"
#include "hv/types.h"

/* Wanted classes of events, as xentrace's mask; 0: tracing is off. Read without a lock. */
extern uint32_t trace_events;

/* A record of @event with @nr words, at most TRACE_EXTRA_MAX, if it is wanted. Any context but interrupts. */
void trace_put(uint32_t event, const uint32_t *words, unsigned nr);

/* The same by a list of words, which are evaluated only while tracing is on. */
#define trace(event, ...) \
	do { \
		if (unlikely(read_once(trace_events))) { \
			const uint32_t words_[] = { __VA_ARGS__ }; \
\
			trace_put((event), words_, ARRAY_SIZE(words_)); \
		} \
	} while (0)
/* Without words. */
#define trace_bare(event) \
	do { \
		if (unlikely(read_once(trace_events))) \
			trace_put((event), NULL, 0); \
	} while (0)

struct trace_info {
	mfn_t info;    /* the first of the pages that say where the buffers are */
	uint32_t size; /* of them, in bytes; 0: there are no buffers */
	uint32_t events;
};

/* What a control domain does, one at a time. */
struct trace_info trace_info(void);
/* Make buffers of @pages for each CPU. They stay, and their size with them: -EBUSY for another one. -EINVAL, -ENOMEM. */
int trace_set_size(uint32_t pages) must_check;
void trace_set_events(uint32_t events);
void trace_set_cpus(const cpumask_t *cpus);
/* -EINVAL: no buffers. */
int trace_enable(bool on) must_check;
/* The page @m with a reference, if it is one of a buffer; else NULL. */
struct frame *trace_get_page(mfn_t m);
/* As if there had never been buffers, whose memory is given up for lost: a new machine, in tests. */
void trace_forget(void);

#endif
