/* Socket clients: one recv() takes what there is, one send() answers it all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <fcntl.h>

#include "conn_io.h"
#include "domain.h"
#include "options.h"
#include "os_linux.h"
#include "trace.h"

/* Input of one turn: bounds what one client can have done before others have theirs. */
#define IN_MAX 16384
#define REQUESTS_PER_TURN 128
#define ACCEPT_PER_TURN 64

static struct {
	struct source listener;
	int spare; /* given up for a moment when descriptors run out, to turn a client away rather than to spin */
	/* Input passes through here: only what is not a whole message stays with its connection. */
	char in[IN_MAX];
} sockets = { .listener.fd = -1, .spare = -1 };

static void watch_for(struct conn_io *io)
{
	unsigned what = 0;

	/* While input is kept back there is no reading more of it. */
	if (!io->in_skip && io->in_len < sizeof(sockets.in) && !io->retry_at)
		what |= OS_IN;
	if (queue_bytes(&io->out))
		what |= OS_OUT;
	if (what != io->source.what)
		loop_change(&io->source, what);
}

/* Keep @len bytes for later. False: no memory. */
static bool keep_input(struct conn_io *io, const char *p, size_t len)
{
	if (io->in_size < len || (io->in && len < io->in_size / 8)) {
		free(io->in);
		io->in_len = io->in_size = 0;
		io->in = len ? malloc(len) : NULL;
		if (len && !io->in)
			return false;
		io->in_size = (uint32_t)len;
	}
	if (len)
		memmove(io->in, p, len);
	io->in_len = (uint32_t)len;
	return true;
}

/* Serve whole messages at @p; returns the bytes used. *rest: whole messages may be left. */
static size_t serve_input(struct conn *c, const char *p, size_t len, bool *rest)
{
	struct xsd_sockmsg h;
	size_t done = 0;

	*rest = false;
	for (unsigned n = 0;; n++) {
		int size = wire_peek(p + done, len - done, &h);

		if (size < 0) {
			conn_close(c, XENSTORE_ERROR_PROTO);
			return done;
		}
		if (!size)
			return done;
		if (n == REQUESTS_PER_TURN) {
			conn_list_add(c->io, LIST_READY);
			*rest = true;
			return done;
		}
		if (!conn_may_serve(c)) {
			*rest = !c->io->closing;
			return done;
		}
		conn_serve(c, &h, p + done + sizeof(h));
		done += (size_t)size;
	}
}

static void serve(struct conn *c, char *p, size_t len)
{
	struct conn_io *io = c->io;
	bool rest;
	size_t done = serve_input(c, p, len, &rest);

	if (!io->closing && !keep_input(io, p + done, len - done))
		conn_close(c, XENSTORE_ERROR_COMM);
	io->in_skip = rest;
	if (io->closing || io->on_list[LIST_DIRTY])
		return; /* socket_flush() will say what to wait for */
	watch_for(io);
}

void socket_serve_rest(struct conn *c)
{
	struct conn_io *io = c->io;
	size_t len = io->in_len;

	if (!io->in_skip)
		return;
	memcpy(sockets.in, io->in, len);
	serve(c, sockets.in, len);
}

static void socket_read(struct conn *c)
{
	struct conn_io *io = c->io;
	size_t kept = io->in_len;
	ssize_t n;

	if (kept >= sizeof(sockets.in))
		return;
	if (kept)
		memcpy(sockets.in, io->in, kept);
	n = recv(io->source.fd, sockets.in + kept, sizeof(sockets.in) - kept, MSG_DONTWAIT);
	if (n > 0)
		serve(c, sockets.in, kept + (size_t)n);
	else if (!n || (errno != EAGAIN && errno != EINTR))
		conn_close(c, XENSTORE_ERROR_COMM);
}

static void socket_ready(struct source *s, unsigned what)
{
	struct conn_io *io = (struct conn_io *)((char *)s - offsetof(struct conn_io, source));

	if (io->closing)
		return;
	if (what & OS_OUT)
		conn_list_add(io, LIST_DIRTY);
	if ((what & OS_IN) && (s->what & OS_IN))
		socket_read(io->c);
	else if ((what & OS_GONE) && !io->in_skip)
		conn_close(io->c, XENSTORE_ERROR_COMM);
	/* At once, not at the end of the turn: its client can go on while we serve the others. */
	if (queue_bytes(&io->out) && !io->closing)
		socket_flush(io->c);
}

void socket_flush(struct conn *c)
{
	struct conn_io *io = c->io;
	size_t len = queue_bytes(&io->out);

	if (len) {
		ssize_t n = send(io->source.fd, io->out.bytes + io->out.head, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			queue_taken(c, (size_t)n);
			if (io->in_skip && !io->retry_at)
				conn_list_add(io, LIST_READY);
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			conn_close(c, XENSTORE_ERROR_COMM);
			return;
		}
	}
	watch_for(io);
}

struct conn *socket_new(int fd, uint32_t id)
{
	struct conn *c = conn_new(CONN_SOCKET, domain_get(options.own_domid), id);

	if (!c) {
		close(fd);
		return NULL;
	}
	c->io->source = (struct source){ .ready = socket_ready, .fd = fd };
	if (loop_add(&c->io->source, OS_IN)) {
		conn_destroy(c);
		return NULL;
	}
	return c;
}

void socket_close(struct conn *c)
{
	if (c->io->source.fd < 0)
		return;
	loop_remove(&c->io->source);
	close(c->io->source.fd);
	c->io->source.fd = -1;
}

static void listener_ready(struct source *s, unsigned what)
{
	for (int n = 0; n < ACCEPT_PER_TURN; n++) {
		int fd = os_accept(s->fd);

		if (fd >= 0) {
			socket_new(fd, 0);
			continue;
		}
		if (errno != EMFILE && errno != ENFILE)
			return;
		notice("too many clients: one was turned away");
		close(sockets.spare);
		fd = os_accept(s->fd);
		if (fd >= 0)
			close(fd);
		sockets.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
}

int socket_listen_fd(void)
{
	return sockets.listener.fd;
}

void socket_listen_restore(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK); /* the classic daemon has it blocking */
	sockets.listener = (struct source){ .ready = listener_ready, .fd = fd };
	loop_add(&sockets.listener, OS_IN);
	if (sockets.spare < 0)
		sockets.spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool socket_is_served(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	bool served;
	int fd;

	if (strlen(path) >= sizeof(at.sun_path))
		return false;
	memcpy(at.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	served = !connect(fd, (struct sockaddr *)&at, sizeof(at));
	close(fd);
	return served;
}

int socket_listen(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(at.sun_path))
		return ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	unlink(path);
	/* The umask is 077 by now, so there is no moment in which anybody else could connect. */
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || chmod(path, 0600) || listen(fd, 4096)) {
		err = errno;
		close(fd);
		return err;
	}
	socket_listen_restore(fd);
	return 0;
}

void socket_stop(void)
{
	if (sockets.listener.fd < 0)
		return;
	loop_remove(&sockets.listener);
	close(sockets.listener.fd);
	sockets.listener.fd = -1;
	unlink(options.socket);
}
