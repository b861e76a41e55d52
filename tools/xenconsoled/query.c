#include "query.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "domain.h"
#include "loop.h"
#include "options.h"

#define LINE 256u
#define CLIENTS 64u

struct asker {
	struct source source;
	char line[LINE];
	size_t len;
	struct text answer;
	size_t sent;
};

static struct {
	struct source listener;
	unsigned nr;
} query = { .listener.fd = -1 };

static void leave(struct asker *a)
{
	loop_remove(&a->source);
	text_free(&a->answer);
	free(a);
	if (query.nr-- == CLIENTS)
		loop_want(&query.listener, LOOP_IN);
}

/* "NAME" or "NAME NUMBER", to its parts. Other toolstacks give names that have blanks. */
static const char *console_of(char *words, unsigned *nr)
{
	char *last = strrchr(words, ' ');

	*nr = 0;
	if (!last || !last[1] || last[1 + strspn(last + 1, "0123456789")])
		return words;
	*nr = (unsigned)strtoul(last + 1, NULL, 10);
	*last = '\0';
	return words;
}

static void answer(struct asker *a)
{
	struct text out = { 0 };
	const char *who = NULL;
	unsigned nr;
	bool ok = true;

	if (!strcmp(a->line, "list")) {
		domain_list(&out);
	} else if (!strcmp(a->line, "version")) {
		text_add(&out, "1\n");
	} else if (!strncmp(a->line, "log ", 4)) {
		who = console_of(a->line + 4, &nr);
		ok = domain_history(who, nr, &out);
	} else {
		ok = false;
	}
	if (ok) {
		text_printf(&a->answer, "ok %zu\n", out.len);
		text_add_bytes(&a->answer, out.s ? out.s : "", out.len);
	} else if (who) {
		text_printf(&a->answer, "error nothing is kept of console %u of a domain '%s'\n", nr, who);
	} else {
		text_add(&a->answer, "error not understood\n");
	}
	text_free(&out);
}

static void asker_ready(struct source *s, unsigned what)
{
	struct asker *a = (struct asker *)((char *)s - offsetof(struct asker, source));
	ssize_t n;
	char *end;

	if (!a->answer.s) {
		n = recv(s->fd, a->line + a->len, LINE - 1 - a->len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || (a->len += (size_t)n) == LINE - 1) {
			leave(a);
			return;
		}
		a->line[a->len] = '\0';
		end = strchr(a->line, '\n');
		if (!end)
			return;
		*end = '\0';
		answer(a);
	}
	n = send(s->fd, a->answer.s + a->sent, a->answer.len - a->sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		leave(a);
		return;
	}
	a->sent += n > 0 ? (size_t)n : 0;
	if (a->sent == a->answer.len)
		leave(a);
	else
		loop_want(s, LOOP_OUT);
}

static void listener_ready(struct source *s, unsigned what)
{
	struct asker *a;
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	a = xcalloc(1, sizeof(*a));
	a->source = (struct source){ .ready = asker_ready, .fd = fd };
	if (loop_add(&a->source, LOOP_IN)) {
		close(fd);
		free(a);
		return;
	}
	if (++query.nr == CLIENTS)
		loop_want(&query.listener, 0); /* the rest waits its turn */
}

void query_setup(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd;

	if (!options.socket[0] || strlen(options.socket) >= sizeof(at.sun_path))
		return;
	strcpy(at.sun_path, options.socket);
	for (char *p = strchr(at.sun_path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(at.sun_path, 0755);
		*p = '/';
	}
	unlink(at.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mask = umask(0177);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 64)) {
		notice("%s: %s; questions about consoles are not answered", options.socket, strerror(errno));
		if (fd >= 0)
			close(fd);
		umask(mask);
		return;
	}
	umask(mask);
	query.listener = (struct source){ .ready = listener_ready, .fd = fd };
	loop_add(&query.listener, LOOP_IN);
}
