#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "options.h"

void log_open(struct log *l, const char *name, bool times, bool replace_escape)
{
	char path[512];
	char safe[128];

	/* A domain's name is the toolstack's, but a path is ours. */
	snprintf(safe, sizeof(safe), "%s", name);
	for (char *p = safe; *p; p++)
		if (*p == '/')
			*p = '_';
	snprintf(path, sizeof(path), "%s/%s.log", options.log_dir, safe);
	*l = (struct log){ .times = times, .replace_escape = replace_escape };
	l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (l->fd < 0)
		notice("%s: %s", path, strerror(errno));
	else if (times)
		log_write(l, "Logfile Opened\n", 15);
}

void log_close(struct log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void put(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

void log_write(struct log *l, const void *bytes, size_t len)
{
	const char *p = bytes, *end = p + len;
	struct text out = { 0 };
	char when[40] = "";
	time_t now;

	if (l->fd < 0)
		return;
	if (!l->times && !l->replace_escape) {
		put(l->fd, p, len);
		return;
	}
	if (l->times) {
		struct tm tm;

		now = time(NULL);
		strftime(when, sizeof(when), "[%Y-%m-%d %H:%M:%S] ", localtime_r(&now, &tm));
	}
	while (p < end) {
		const char *line = memchr(p, '\n', (size_t)(end - p));
		const char *next = line ? line + 1 : end;

		if (!l->inside)
			text_add(&out, when);
		text_add_bytes(&out, p, (size_t)(next - p));
		l->inside = !line;
		p = next;
	}
	for (size_t i = 0; l->replace_escape && i < out.len; i++)
		if (out.s[i] == '\033')
			out.s[i] = '.';
	put(l->fd, out.s, out.len);
	text_free(&out);
}
