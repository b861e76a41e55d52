/* The floor: a server that receives, cuts messages and answers each with a constant. `echo SOCKET`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/wire.h"

struct connection {
	int fd;
	size_t have;
	char in[65536];
};

static void serve(struct connection *c)
{
	static char out[65536];
	struct xsd_sockmsg h;
	size_t at = 0, len = 0;
	int n;
	ssize_t got = recv(c->fd, c->in + c->have, sizeof(c->in) - c->have, 0);
	if (got <= 0) {
		close(c->fd);
		free(c);
		return;
	}
	c->have += (size_t)got;
	while ((n = wire_peek(c->in + at, c->have - at, &h)) > 0 && len + 64 < sizeof(out)) {
		struct wire_piece p = { h.type == XS_READ ? "a value of some length" : "1",
					h.type == XS_READ ? 22 : 2 };
		len += wire_pack(out + len, sizeof(out) - len, h.type, h.req_id, h.tx_id, &p, 1);
		at += (size_t)n;
	}
	c->have -= at;
	memmove(c->in, c->in + at, c->have);
	if (send(c->fd, out, len, MSG_NOSIGNAL) < 0)
		exit(1);
}

int main(int argc, char **argv)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct epoll_event ready[64];
	struct rlimit limit;
	int ep = epoll_create1(0), fd = socket(AF_UNIX, SOCK_STREAM, 0);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	strncpy(un.sun_path, argc > 1 ? argv[1] : "echo", sizeof(un.sun_path) - 1);
	unlink(un.sun_path);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) || listen(fd, 1024)) {
		perror("echo");
		return 1;
	}
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN });
	for (;;) {
		int n = epoll_wait(ep, ready, 64, -1);
		for (int i = 0; i < n; i++) {
			struct connection *c = ready[i].data.ptr;
			if (c) {
				serve(c);
				continue;
			}
			c = calloc(1, sizeof(*c));
			c->fd = accept(fd, NULL, NULL);
			epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = c });
		}
	}
}
