#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "domain.h"
#include "options.h"

#define DEFAULT_TRACE_FILE "/var/log/xen/xenstored-trace.log"

bool trace_on;
static struct {
	int fd;
	char path[256];
} tracing = { .fd = -1 };

int trace_open(const char *path)
{
	int fd = -1;

	if (path) {
		if (strlen(path) >= sizeof(tracing.path))
			return ENAMETOOLONG;
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return errno;
		strcpy(tracing.path, path);
	}
	if (tracing.fd >= 0)
		close(tracing.fd);
	tracing.fd = fd;
	trace_on = fd >= 0;
	return 0;
}

int trace_set(bool on)
{
	int err = 0;

	if (on && tracing.fd < 0) {
		if (!tracing.path[0])
			mkdir("/var/log/xen", 0755);
		err = trace_open(tracing.path[0] ? tracing.path : DEFAULT_TRACE_FILE);
		if (err)
			notice("nothing can be traced: %s", strerror(err));
	}
	/* Remembered even so: a file may follow by CONTROL logfile. */
	trace_on = on && tracing.fd >= 0;
	return 0;
}

/* One write() per line, so that lines of two daemons during an update do not mix. */
static void line(const char *fmt, va_list args)
{
	char buf[1024];
	struct timespec now;
	struct tm t;
	size_t n;
	int len;

	if (tracing.fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &t);
	n = strftime(buf, sizeof(buf), "%Y%m%d %H:%M:%S", &t);
	n += (size_t)snprintf(buf + n, sizeof(buf) - n, ".%06ld ", now.tv_nsec / 1000);
	len = vsnprintf(buf + n, sizeof(buf) - n - 1, fmt, args);
	n += len < 0 ? 0 : (size_t)len;
	if (n > sizeof(buf) - 2)
		n = sizeof(buf) - 2;
	buf[n++] = '\n';
	(void)!write(tracing.fd, buf, n);
}

void trace(const char *fmt, ...)
{
	va_list args;

	if (!trace_on)
		return;
	va_start(args, fmt);
	line(fmt, args);
	va_end(args);
}

void notice(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line(fmt, args);
	va_end(args);
	va_start(args, fmt);
	if (options.no_fork) {
		char buf[512];
		int n = snprintf(buf, sizeof(buf), "xenstored: "),
		    m = vsnprintf(buf + n, sizeof(buf) - (size_t)n - 1, fmt, args);

		n += m < 0 ? 0 : m;
		if (n > (int)sizeof(buf) - 2)
			n = (int)sizeof(buf) - 2;
		buf[n++] = '\n';
		(void)!write(STDERR_FILENO, buf, (size_t)n);
	} else {
		vsyslog(LOG_DAEMON | LOG_NOTICE, fmt, args);
	}
	va_end(args);
}

void trace_io(const struct conn *c, bool out, uint32_t type, uint32_t req, uint32_t tx, const void *data, size_t len)
{
	char text[400];
	const unsigned char *p = data;
	size_t n = 0;

	for (size_t i = 0; i < len && n < sizeof(text) - 5; i++)
		if (p[i] >= 32 && p[i] < 127)
			text[n++] = (char)p[i];
		else if (!p[i])
			text[n++] = ' ';
		else
			n += (size_t)snprintf(text + n, 5, "\\x%02x", p[i]);
	text[n] = '\0';
	trace("%s %u d%u r%u t%u %s (%s)", out ? "OUT" : "IN", c->id, c->domain->id, req, tx,
	      type == XS_ERROR	     ? "ERROR" :
	      type == XS_WATCH_EVENT ? "WATCH_EVENT" :
				       wire_type_name(type),
	      text);
}
