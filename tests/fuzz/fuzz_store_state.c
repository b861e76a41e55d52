/*
 * Files the daemon takes its state from: groups of the journal (their checksums hold, the rest is anything) and the update
 * stream of a daemon before. Either is refused or gives a store that agrees with itself.
 *
 * Input: a byte that says which, then the bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/store/io/world.h"

#include "tools/xenstored/control.h"
#include "tools/xenstored/domain.h"
#include "tools/xenstored/journal.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/loop.h"
#include "tools/xenstored/options.h"
#include "tools/xenstored/recover.h"
#include "tools/xenstored/store.h"
#include "tools/xenstored/update.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What the daemon says goes nowhere, what libFuzzer says does not. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char **more = calloc((size_t)*argc + 2, sizeof(*more));
	memcpy(more, *argv, (size_t)*argc * sizeof(*more));
	more[(*argc)++] = (char *)"-close_fd_mask=2";
	*argv = more;
	return 0;
}

static void forget_all(void)
{
	struct domain *next;
	for (struct conn_io *io = conn_first(), *n; io; io = n) {
		n = io->next;
		io->source.fd = -1; /* descriptors a stream names are not ours */
		conn_destroy(io->c);
	}
	conn_flush_all();
	for (struct domain *d = domain_first(); d; d = next) {
		next = d->next;
		d->conn = NULL;
		domain_unrestore(d->id);
	}
	store_exit();
}

static void remove_world(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %.64s", world_dir);
	if (system(command))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool running;
	uint8_t *copy;
	if (!running) {
		world_make();
		atexit(remove_world);
		world_options();
		CHECK(!loop_open());
		hyper = &hyper_fake;
		CHECK(!hyper->open() && !domain_init());
		running = true;
	}
	if (size < 1)
		return 0;
	CHECK(!store_init());
	/* A copy of its own lets the sanitizer see every byte read beyond the end. */
	copy = malloc(size - 1 ? size - 1 : 1);
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		(void)update_read(copy, size - 1);
	else
		(void)recover_group(copy, size - 1);
	free(copy);
	forget_all();
	return 0;
}
