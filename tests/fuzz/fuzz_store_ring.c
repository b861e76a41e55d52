/*
 * A guest does anything to its ring page, at any moment, while the whole daemon runs: requests in pieces, any indices, any
 * feature and state words. Nothing happens to the daemon, and after the guest's end the store is as before.
 *
 * Input: steps of one byte and what they need, see step().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/store/io/world.h"

#include "tools/xenstored/control.h"
#include "tools/xenstored/domain.h"
#include "tools/xenstored/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What the daemon says goes nowhere, what libFuzzer says does not. Lasting state makes a search for leaks after each input slow and useless. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char **more = calloc((size_t)*argc + 3, sizeof(*more));
	memcpy(more, *argv, (size_t)*argc * sizeof(*more));
	more[(*argc)++] = (char *)"-close_fd_mask=2";
	more[(*argc)++] = (char *)"-detect_leaks=0";
	*argv = more;
	return 0;
}

static struct {
	const uint8_t *p, *end;
	bool running;
} in;

static uint32_t number(unsigned bytes)
{
	uint32_t v = 0;
	while (bytes-- && in.p < in.end)
		v = v << 8 | *in.p++;
	return v;
}

static void step(struct guest *g)
{
	static const uint32_t types[] = {
		XS_READ, XS_WRITE,	   XS_DIRECTORY, XS_WATCH, XS_TRANSACTION_START, XS_TRANSACTION_END,
		XS_RM,	 XS_RESET_WATCHES, XS_GET_PERMS, XS_MKDIR, XS_CONTROL,		 XS_DIRECTORY_PART
	};
	char out[4200], body[256];
	size_t len;
	switch (number(1) % 12) {
	case 0: /* bytes as they are */
		len = number(1);
		len = len < (size_t)(in.end - in.p) ? len : (size_t)(in.end - in.p);
		guest_push(g, in.p, len);
		in.p += len;
		break;
	case 1: /* a message, perhaps cut */
		len = number(1) % sizeof(body);
		for (size_t i = 0; i < len; i++)
			body[i] = (char)number(1);
		len = message(out, types[number(1) % 12], number(1), number(1) & 3, body, len);
		guest_push(g, out, number(1) & 1 ? len : len / 2);
		break;
	case 2:
		g->ring->req_prod += (int32_t)(int8_t)number(1);
		break;
	case 3:
		g->ring->req_prod = number(4);
		break;
	case 4:
		g->ring->rsp_cons = number(4);
		break;
	case 5:
		g->ring->req_cons = number(4);
		break;
	case 6:
		g->ring->rsp_prod = number(4);
		break;
	case 7:
		g->ring->connection = number(1) & 3;
		break;
	case 8:
		g->ring->rsp_cons = g->ring->rsp_prod;
		break;
	case 9:
		g->ring->error = number(1);
		break;
	default:
		guest_kick(g);
		loop_turn(0);
	}
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
	struct guest *g;
	int turns = 0;
	if (!in.running) {
		world_make();
		atexit(remove_world);
		world_start();
		in.running = true;
	}
	in.p = data;
	in.end = data + size;
	g = guest_new(1, size ? number(4) : 0);
	static uint64_t life = 1000;
	machine->domains[1].unique = ++life;
	CHECK(!ask0(XS_INTRODUCE,
		    "1\0"
		    "1\0"
		    "7",
		    6, NULL, NULL));
	while (in.p < in.end)
		step(g);
	guest_kick(g);
	world_settle();
	/* It dies. */
	machine->domains[1].exists = 0;
	domain_check_all();
	while (domain_is_introduced(1) && turns++ < 100)
		world_settle();
	CHECK(!domain_is_introduced(1));
	world_settle();
	CHECK(!store_check());
	CHECK(!machine->bad_calls);
	munmap(g->ring, 4096);
	close(g->event);
	free(g);
	return 0;
}
