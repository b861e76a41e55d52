#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/xenstored/daemon.h"
#include "tools/xenstored/domain.h"
#include "tools/xenstored/loop.h"
#include "tools/xenstored/options.h"
#include "tools/xenstored/request.h"

char world_dir[64];
struct fake_hyper *machine;
static int evtchn = -1;

void check(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

static void *map_file(const char *name, size_t size)
{
	char path[128];
	int fd;
	void *p;

	snprintf(path, sizeof(path), "%s/%s", world_dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(!ftruncate(fd, (off_t)size));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	close(fd);
	return p;
}

static int open_fifo(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", world_dir, name);
	CHECK(!mkfifo(path, 0600) || errno == EEXIST);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

void world_make(void)
{
	strcpy(world_dir, "/tmp/store-io.XXXXXX");
	assert_non_null(mkdtemp(world_dir));
	machine = map_file("hyper", sizeof(*machine));
	machine->magic = FAKE_MAGIC;
	machine->domains[0].exists = 1;
	evtchn = open_fifo("evtchn");
}

static void world_remove(void)
{
	char command[128];

	munmap(machine, sizeof(*machine));
	close(evtchn);
	snprintf(command, sizeof(command), "rm -rf '%s'", world_dir);
	assert_int_equal(system(command), 0);
}

void isolated(void (*fn)(void))
{
	int status;
	pid_t pid;

	world_make();
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		alarm(60);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	world_remove();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		fn();
	CHECK(waitpid(pid, &status, 0) == pid && !status);
}

void world_quiet(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(fd, STDERR_FILENO);
	close(fd);
}

void world_options(void)
{
	static char socket_path[128], journal_path[128];

	snprintf(socket_path, sizeof(socket_path), "%s/socket", world_dir);
	snprintf(journal_path, sizeof(journal_path), "%s/journal", world_dir);
	options.no_fork = true;
	options.rundir = world_dir;
	options.socket = socket_path;
	options.journal_file = journal_path;
	options.fake_dir = world_dir;
}

void world_start(void)
{
	world_options();
	CHECK(!loop_open());
	daemon_start();
}

void world_settle(void)
{
	/* Until nothing is left to be done at once. */
	for (int i = 0; i < 1000 && (i < 10 || !conn_timeout()); i++)
		loop_turn(0);
}

struct guest *guest_new(uint32_t domid, uint32_t start)
{
	struct guest *g = calloc(1, sizeof(*g));
	char name[32];

	CHECK(g != NULL);
	g->domid = domid;
	snprintf(name, sizeof(name), "dom%u.ring", domid);
	g->ring = map_file(name, 4096);
	g->ring->req_cons = g->ring->req_prod = g->ring->rsp_cons = g->ring->rsp_prod = start;
	snprintf(name, sizeof(name), "dom%u.event", domid);
	g->event = open_fifo(name);
	machine->domains[domid].unique = domid + 1;
	if (machine->max_id < domid)
		machine->max_id = domid;
	machine->domains[domid].exists = 1;
	return g;
}

void guest_kick(const struct guest *g)
{
	CHECK(write(evtchn, &g->domid, 4) == 4);
}

size_t guest_push(struct guest *g, const void *p, size_t len)
{
	uint32_t prod = g->ring->req_prod, cons = __atomic_load_n(&g->ring->req_cons, __ATOMIC_ACQUIRE);
	size_t n = 0;

	for (; n < len && prod - cons < XENSTORE_RING_SIZE; n++, prod++)
		g->ring->req[MASK_XENSTORE_IDX(prod)] = ((const char *)p)[n];
	__atomic_store_n(&g->ring->req_prod, prod, __ATOMIC_RELEASE);
	return n;
}

size_t guest_pull(struct guest *g)
{
	uint32_t cons = g->ring->rsp_cons, prod = __atomic_load_n(&g->ring->rsp_prod, __ATOMIC_ACQUIRE);
	size_t n = 0;

	CHECK(prod - cons <= XENSTORE_RING_SIZE);
	for (; cons != prod && g->in_len < sizeof(g->in); cons++, n++)
		g->in[g->in_len++] = g->ring->rsp[MASK_XENSTORE_IDX(cons)];
	__atomic_store_n(&g->ring->rsp_cons, cons, __ATOMIC_RELEASE);
	return n;
}

size_t guest_say(struct guest *g, const void *p, size_t len)
{
	uint32_t prod = g->ring->req_prod;
	size_t n = guest_push(g, p, len);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* Compared as Linux does, which is not for indices that wrap. */
	if (n && prod <= __atomic_load_n(&g->ring->req_cons, __ATOMIC_ACQUIRE))
		guest_kick(g);
	return n;
}

size_t guest_hear(struct guest *g)
{
	uint32_t cons = g->ring->rsp_cons;
	size_t n = guest_pull(g);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (n && __atomic_load_n(&g->ring->rsp_prod, __ATOMIC_ACQUIRE) - cons >= XENSTORE_RING_SIZE)
		guest_kick(g);
	return n;
}

size_t message(void *out, uint32_t type, uint32_t req, uint32_t tx, const void *body, size_t len)
{
	struct xsd_sockmsg h = { .type = type, .req_id = req, .tx_id = tx, .len = (uint32_t)len };

	memcpy(out, &h, sizeof(h));
	memcpy((char *)out + sizeof(h), body, len);
	return sizeof(h) + len;
}

bool guest_message(struct guest *g, struct xsd_sockmsg *h, char *body)
{
	int size = wire_peek(g->in, g->in_len, h);

	CHECK(size >= 0);
	if (!size)
		return false;
	memcpy(body, g->in + sizeof(*h), h->len);
	g->in_len -= (size_t)size;
	memmove(g->in, g->in + size, g->in_len);
	return true;
}

uint32_t guest_ask(struct guest *g, uint32_t type, const void *body, size_t len, char *answer, size_t *answer_len)
{
	char msg[16 + 4096];
	size_t size = message(msg, type, ++g->req, 0, body, len), done = 0;
	struct xsd_sockmsg h;

	for (int turn = 0; turn < 100; turn++) {
		done += guest_push(g, msg + done, size - done);
		guest_kick(g);
		loop_turn(10);
		guest_pull(g);
		while (guest_message(g, &h, answer)) {
			if (h.type == XS_WATCH_EVENT)
				continue;
			CHECK(h.req_id == g->req);
			*answer_len = h.len;
			return h.type;
		}
	}
	CHECK(!"an answer came");
	return 0;
}

int ask0(uint32_t type, const void *body, size_t len, char *answer, size_t *answer_len)
{
	struct conn *c = conn_new(CONN_SOCKET, domain_get(0), 0);
	struct xsd_sockmsg h = { .type = type, .req_id = 1, .len = (uint32_t)len };
	struct queue *q = &c->io->out;
	int err = 0;

	request_handle(c, &h, body);
	CHECK(queue_bytes(q) >= sizeof(h));
	memcpy(&h, q->bytes + q->head, sizeof(h));
	if (h.type == XS_ERROR)
		err = wire_error_number(q->bytes + q->head + sizeof(h), h.len);
	else if (answer) {
		memcpy(answer, q->bytes + q->head + sizeof(h), h.len);
		*answer_len = h.len;
	}
	conn_destroy(c);
	conn_turn_of_guests();
	conn_flush_all();
	return err;
}

int write0(const char *path, const char *value)
{
	char body[8192];
	size_t len = strlen(path) + 1, value_len = strlen(value);

	memcpy(body, path, len);
	memcpy(body + len, value, value_len);
	return ask0(XS_WRITE, body, len + value_len, NULL, NULL);
}

bool exists0(const char *path)
{
	char answer[4096];
	size_t len;

	return !ask0(XS_READ, path, strlen(path) + 1, answer, &len);
}
