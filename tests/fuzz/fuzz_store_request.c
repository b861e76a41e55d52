/*
 * Clients of the store send anything: three sockets and guests, any type, any transaction, bodies from pieces that make
 * sense and from rubbish; domains die meanwhile. At the end of each input the store agrees with itself and with its
 * journal, and no memory is left (tests/store/fake.c checks).
 *
 * Input: steps of <who and what> <type> <tx> <length> <body>.
 */
#include <string.h>

#include "tests/store/fake.h"

#include "store/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENTS 6

static struct {
	const uint8_t *p, *end;
} in;

static uint8_t byte(void)
{
	return in.p < in.end ? *in.p++ : 0;
}

/* Words that reach further than random bytes: an upper-case letter in the body stands for one. */
static size_t expand(char *out, size_t room, size_t len)
{
	static const char *const words[26] = { "/",
					       "/a",
					       "/a/b",
					       "/a/b/c",
					       "/local/domain/1/",
					       "data",
					       "@releaseDomain",
					       "@introduceDomain",
					       "n0",
					       "n1",
					       "b2",
					       "r3",
					       "w1",
					       "token",
					       "T",
					       "F",
					       "1",
					       "2",
					       "quota",
					       "set",
					       "nodes",
					       "check",
					       "0",
					       "/local/domain/2",
					       "live-update",
					       "/a/b/c/d/e/f/g" };
	size_t n = 0;
	while (len-- && in.p < in.end) {
		uint8_t b = byte();
		if (b >= 'A' && b <= 'Z') {
			size_t k = strlen(words[b - 'A']);
			if (n + k < room) {
				memcpy(out + n, words[b - 'A'], k);
				n += k;
			}
		} else if (b == '!') {
			/* A long one. */
			while (n < room && n < 2100)
				out[n++] = 'x';
		} else if (n < room) {
			out[n++] = b == '.' ? '\0' : (char)b;
		}
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conn *c[CLIENTS] = { 0 };
	char body[4096];
	void *state = NULL;
	in.p = data;
	in.end = data + size;
	world_setup(&state);
	while (in.p < in.end) {
		uint8_t who = byte();
		unsigned i = who % CLIENTS;
		uint32_t domid = i < 3 ? 0 : i - 2;
		if (!c[i]) {
			if (domid)
				domain_make(domid);
			c[i] = client(domid);
		}
		if (who >= 250) {
			client_close(c[i]);
			c[i] = NULL;
			if (domid)
				domain_kill(domid);
			continue;
		}
		uint8_t type = byte(), tx = byte();
		size_t len = expand(body, sizeof(body), byte());
		/* Commands that end the process or touch files are not for here. */
		if (type % 30 == XS_CONTROL && domid == 0 &&
		    (len >= 3 && (!memcmp(body, "liv", 3) || !memcmp(body, "log", 3) || !memcmp(body, "mem", 3))))
			continue;
		ask(c[i], tx & 3 ? tx & 3 : 0, type % 30, body, len);
	}
	world_teardown(&state);
	return 0;
}
