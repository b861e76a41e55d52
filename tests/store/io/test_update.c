/* The update stream: what one daemon writes the next one has, and nothing in a stream can hurt. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/xenstored/domain.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/loop.h"
#include "tools/xenstored/quota.h"
#include "tools/xenstored/stream.h"
#include "tools/xenstored/store.h"
#include "tools/xenstored/update.h"

static char answer[4096];
static size_t answer_len;
static int pair[2]; /* a client and the daemon's end of it */
static int stream_fd;
static struct guest *guest;
static uint32_t guest_tx = 1; /* the first of its connection */

/* A request of the guest in its transaction: the type of the answer. */
static uint32_t ask_in_tx(uint32_t type, const char *body, size_t len)
{
	struct xsd_sockmsg h;
	char msg[128];

	guest_push(guest, msg, message(msg, type, 77, guest_tx, body, len));
	guest_kick(guest);
	do {
		world_settle();
		guest_pull(guest);
		CHECK(guest_message(guest, &h, answer));
	} while (h.type == XS_WATCH_EVENT);
	answer_len = h.len;
	return h.type;
}

/* Everything of which a stream has a kind. Made in the first daemon's process; guest and client are the parent's. */
static void make_state(void)
{
	static const char introduce[] = "3\0001\0007";
	struct xsd_sockmsg h = { .type = XS_READ, .req_id = 5, .len = 3 };
	char msg[64];
	struct conn *c;

	world_start();
	CHECK(!ask0(XS_INTRODUCE, introduce, sizeof(introduce), NULL, NULL));
	CHECK(!write0("/local/domain/3", "home") && !write0("/a/b", "value"));
	CHECK(!write0("/local/domain/3/gone", "soon"));
	CHECK(!ask0(XS_SET_PERMS, "/local/domain/3\0n3", 19, NULL, NULL));
	CHECK(!ask0(XS_SET_PERMS, "/local/domain/3/gone\0n3", 24, NULL, NULL));
	CHECK(!ask0(XS_SET_PERMS, "/a/b\0r0\0w3\0b9", 14, NULL, NULL));
	CHECK(!ask0(XS_SET_PERMS, "@releaseDomain\0n0\0r3", 21, NULL, NULL));
	CHECK(!ask0(XS_SET_QUOTA, "3\0nodes\00077", 11, NULL, NULL));
	quota_set(NULL, QUOTA_WATCHES, false, 55);
	world_settle();
	CHECK(guest_ask(guest, XS_WATCH, "x\0token", 8, answer, &answer_len) == XS_WATCH);
	CHECK(guest_ask(guest, XS_TRANSACTION_START, "", 1, answer, &answer_len) == XS_TRANSACTION_START);
	guest_tx = (uint32_t)atoi(answer);
	CHECK(ask_in_tx(XS_READ, "gone", 5) == XS_READ && ask_in_tx(XS_MKDIR, "dir/sub", 8) == XS_MKDIR);
	CHECK(ask_in_tx(XS_WRITE, "key\0value", 9) == XS_WRITE && ask_in_tx(XS_RM, "gone", 5) == XS_RM);
	CHECK(!write0("/local/domain/3/later", "unseen"));
	/* A client in the middle: an answer not sent, a request half received. */
	c = socket_new(pair[1], 0);
	conn_serve(c, &h, "/a");
	CHECK(write(pair[0], msg, message(msg, XS_READ, 6, 0, "/a/b", 5) - 3) > 0);
	loop_turn(10);
	CHECK(c->io->in_len == 18);
	conn_reply(c, XS_READ, 99, 0, "unsent", 6);
	CHECK(!update_write(stream_fd, 2));
	_exit(0);
}

static void *stream_map(size_t *size)
{
	struct stat st;

	CHECK(!fstat(stream_fd, &st));
	*size = (size_t)st.st_size;
	return mmap(NULL, *size, PROT_READ, MAP_PRIVATE, stream_fd, 0);
}

static void prepare(void)
{
	guest = guest_new(3, 0xfffffff0u);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	stream_fd = memfd_create("stream", 0);
	in_child(make_state);
}

static bool perms_are(const char *path, const char *expected, size_t len)
{
	return !ask0(XS_GET_PERMS, path, strlen(path) + 1, answer, &answer_len) && answer_len == len &&
	       !memcmp(answer, expected, len);
}

/* The next message at the client: its req_id. */
static uint32_t client_message(void)
{
	struct xsd_sockmsg h;

	CHECK(recv(pair[0], &h, sizeof(h), MSG_WAITALL) == sizeof(h));
	CHECK(h.len <= sizeof(answer));
	CHECK(recv(pair[0], answer, h.len, MSG_WAITALL) == (ssize_t)h.len);
	answer_len = h.len;
	return h.req_id;
}

static void empty_daemon(void)
{
	char path[96];

	world_options();
	CHECK(!loop_open());
	hyper = &hyper_fake;
	snprintf(path, sizeof(path), "%s/evtchn", world_dir);
	hyper_use_fd(open(path, O_RDWR | O_NONBLOCK));
	CHECK(!hyper->open() && !domain_init() && !store_init());
}

static void round_trip(void)
{
	struct xsd_sockmsg h;
	size_t size;
	void *p;

	prepare();
	empty_daemon();
	p = stream_map(&size);
	CHECK(!update_read(p, size));
	CHECK(!domain_start());
	CHECK(exists0("/a/b") && perms_are("/a/b", "r0\0w3\0b9", 9));
	CHECK(perms_are("/local/domain/3", "n3", 3));
	CHECK(perms_are("@releaseDomain", "n0\0r3", 6));
	CHECK(quota_limit(domain_find(3), QUOTA_NODES) == 77 && quota_limit(NULL, QUOTA_WATCHES) == 55);
	CHECK(domain_is_introduced(3) && domain_find(3)->conn->nr_watches == 1);
	CHECK(domain_find(3)->quota.use[QUOTA_NODES] == 3);
	/* The client has its answers in order, and its half request is completed. */
	world_settle();
	CHECK(client_message() == 5 && !answer_len);
	CHECK(client_message() == 99 && answer_len == 6);
	CHECK(write(pair[0], "/b", 3) == 3);
	loop_turn(10);
	CHECK(client_message() == 6 && answer_len == 5 && !memcmp(answer, "value", 5));
	/* Its transaction sees what it did and saw, and goes through. */
	CHECK(domain_find(3)->conn->nr_transactions == 1);
	CHECK(ask_in_tx(XS_READ, "key", 4) == XS_READ && answer_len == 5 && !memcmp(answer, "value", 5));
	CHECK(ask_in_tx(XS_READ, "gone", 5) == XS_ERROR && !exists0("/local/domain/3/key"));
	CHECK(ask_in_tx(XS_TRANSACTION_END, "T", 2) == XS_TRANSACTION_END);
	CHECK(exists0("/local/domain/3/key") && exists0("/local/domain/3/dir/sub") && exists0("/local/domain/3/later"));
	CHECK(!exists0("/local/domain/3/gone") && domain_find(3)->quota.use[QUOTA_NODES] == 5);
	world_settle();
	guest_pull(guest);
	/* The guest's watch is there and fires for changes only. */
	guest->in_len = 0;
	CHECK(!write0("/local/domain/3/x", "1"));
	world_settle();
	guest_pull(guest);
	CHECK(guest_message(guest, &h, answer) && h.type == XS_WATCH_EVENT && !memcmp(answer, "x\0token", 8));
	CHECK(!guest_message(guest, &h, answer));
	CHECK(machine->bad_calls == 0);
}

/* What was written is read and written again: the same, but for what belongs to a process. */
static void twice_the_same(void)
{
	int fd = memfd_create("again", 0);
	char *a, *b;
	struct stat st;
	size_t size;

	prepare();
	empty_daemon();
	a = stream_map(&size);
	CHECK(!update_read(a, size));
	CHECK(!update_write(fd, 2) && !fstat(fd, &st));
	CHECK((size_t)st.st_size == size);
	b = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(!memcmp(a, b, 16));
	(void)b;
}

/* The ring has the beginning of an answer. */
static void leave_cut(void)
{
	static const char introduce[] = "3\0001\0007";
	char msg[64], value[601];

	world_start();
	CHECK(!ask0(XS_INTRODUCE, introduce, sizeof(introduce), NULL, NULL));
	memset(value, 'v', 600);
	value[600] = '\0';
	CHECK(!write0("/a", value));
	CHECK(!ask0(XS_SET_PERMS, "/a\0r0", 6, NULL, NULL));
	for (unsigned i = 0; i < 3; i++)
		guest_push(guest, msg, message(msg, XS_READ, i, 0, "/a", 3));
	guest_kick(guest);
	world_settle();
	CHECK(guest->ring->rsp_prod - guest->ring->rsp_cons == XENSTORE_RING_SIZE);
	CHECK(!update_write(stream_fd, 2));
	_exit(0);
}

static void pass_on(void)
{
	size_t size;
	void *p = stream_map(&size);

	empty_daemon();
	CHECK(!update_read(p, size));
	CHECK(!ftruncate(stream_fd, 0) && !lseek(stream_fd, 0, SEEK_SET));
	CHECK(!update_write(stream_fd, 2));
	_exit(0);
}

/* Two updates before the guest makes room: the rest of the answer comes, and what follows it. */
static void cut_and_updated_twice(void)
{
	struct xsd_sockmsg h;
	unsigned next = 0;
	size_t size;
	void *p;

	guest = guest_new(3, 500);
	stream_fd = memfd_create("stream", 0);
	in_child(leave_cut);
	in_child(pass_on);
	empty_daemon();
	p = stream_map(&size);
	CHECK(!update_read(p, size) && !domain_start());
	for (int turn = 0; turn < 20; turn++) {
		loop_turn(0);
		guest_hear(guest);
	}
	while (guest_message(guest, &h, answer))
		CHECK(h.type == XS_READ && h.req_id == next++ && h.len == 600);
	CHECK(next == 3 && !guest->in_len);
}

static void forget_all(void)
{
	struct domain *next;

	for (struct conn_io *io = conn_first(), *n; io; io = n) {
		n = io->next;
		io->source.fd = -1; /* not ours to close: other rounds need it */
		conn_destroy(io->c);
	}
	conn_flush_all();
	for (struct domain *d = domain_first(); d; d = next) {
		next = d->next;
		d->conn = NULL;
		domain_unrestore(d->id);
	}
	store_exit();
	CHECK(!store_init());
}

/* Bytes of the stream changed, and all its ways of being cut: an error or a state, never harm. */
static void hostile(void)
{
	size_t size, cut;
	char *p, *copy;

	prepare();
	world_quiet();
	empty_daemon();
	p = stream_map(&size);
	copy = malloc(size);
	for (cut = 0; cut < size; cut += 3) {
		char *exact = malloc(cut);

		memcpy(exact, p, cut);
		CHECK(update_read(exact, cut) != 0);
		free(exact);
		forget_all();
	}
	srandom(5);
	for (int round = 0; round < 3000; round++) {
		memcpy(copy, p, size);
		for (int n = 1 + (int)(random() % 3); n; n--) {
			size_t at = (size_t)random() % size;

			copy[at] = random() % 2 ? (char)random() : (char)(copy[at] ^ 1 << random() % 8);
		}
		(void)update_read(copy, size);
		conn_flush_all();
		forget_all();
	}
}

/* The other byte order, as the header may say. */
static void swapped(void)
{
	static const unsigned char node[] = { 0,   0,	0, 5, 0, 0, 0, 32, 0,		0, 0, 0, 0,   0,   0,	0,
					      0,   4,	0, 2, 0, 0, 0, 1,  'n',		0, 0, 0, '/', 'n', 'w', 0,
					      'h', 'i', 0, 0, 0, 0, 0, 0,  /* END */ 0, 0, 0, 0, 0,   0,   0,	0 };
	unsigned char all[16 + sizeof(node)] = "xenstore\0\0\0\001\0\0\0\001";

	memcpy(all + 16, node, sizeof(node));
	all[16 + 7] = 26; /* without padding */
	empty_daemon();
	CHECK(!update_read(all, sizeof(all)));
	CHECK(!ask0(XS_READ, "/nw", 4, answer, &answer_len) && answer_len == 2 && !memcmp(answer, "hi", 2));
	all[15] = 3;
	CHECK(update_read(all, sizeof(all)) == EINVAL);
	all[15] = 1;
	all[11] = 3;
	CHECK(update_read(all, sizeof(all)) == EINVAL);
}

ISOLATED(round_trip)
ISOLATED(twice_the_same)
ISOLATED(cut_and_updated_twice)
ISOLATED(hostile)
ISOLATED(swapped)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_twice_the_same),
		cmocka_unit_test(test_cut_and_updated_twice),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_swapped),
	};

	return cmocka_run_group_tests_name("store_update", tests, NULL, NULL);
}
