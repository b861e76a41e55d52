/* Inside of struct hcall, for the library's own files. */
#ifndef HCALL_HANDLE_H
#define HCALL_HANDLE_H

#include "hcall/backend.h"

#define CACHE_PAGES 8u

struct hcall {
	struct handle handle;
	uint64_t count;
	void *scratch; /* for the copies of operations */
	void *cache[CACHE_PAGES];
	unsigned nr_cached;
	bool asked;	   /* whether this is Hospes, and what it has beyond Xen: */
	uint32_t features; /* HOSPES_FEATURE_* */
};

#endif
