/*
 * Work to be counted, in dom0 and in a guest: one static program, for their small systems have no libraries. `work WHAT ...`:
 *
 *   mark N                       one marker (session.c)
 *   run N COMMAND...             a command between markers N and N + 1; what it took
 *   seed                         randomness for the kernel, the same each time
 *   daemons                      how many processes there are, and how much memory they use
 *   drivers DOMID                events and grant mappings through the drivers of dom0's kernel; DOMID runs tests/guest/answer.c
 *   read DEVICE, write DEVICE    DISK_MIB MiB past the page cache
 *   serve                        the far end of `network`: answers bytes, then swallows and gives NET_MIB MiB
 *   network ADDRESS              round trips, then NET_MIB MiB there and back
 *
 * Markers 20 to 39 stand in this file, in pairs: tests/bench/dom0.py knows what is between them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The headers of Linux leave these to Xen's. */
typedef uint16_t domid_t;
typedef uint32_t grant_ref_t;
#include <xen/evtchn.h>
#include <xen/gntdev.h>

#include "mark.h"
#include "work.h"

#define ROUNDS 1000
#define MAPPINGS 200
#define FIRST_REF 8u
#define MAX_PAGES 16u
#define DISK_MIB 64
#define NET_MIB 16
#define MIB (1u << 20)
#define PORT 7000

void die(const char *what)
{
	perror(what);
	exit(1);
}

long ok(long rc, const char *what)
{
	if (rc < 0)
		die(what);
	return rc;
}

/* --- events --- */

static void notify(int fd, uint32_t port)
{
	struct ioctl_evtchn_notify n = { port };

	ok(ioctl(fd, IOCTL_EVTCHN_NOTIFY, &n), "notify");
}

static uint32_t unbound(int fd, unsigned domid)
{
	struct ioctl_evtchn_bind_unbound_port b = { domid };

	return (uint32_t)ok(ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &b), "bind unbound");
}

static uint32_t interdomain(int fd, unsigned domid, uint32_t port)
{
	struct ioctl_evtchn_bind_interdomain b = { domid, port };

	return (uint32_t)ok(ioctl(fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &b), "bind interdomain");
}

/* Wait for one event and let its port ring again. */
static void take(int fd, uint32_t want)
{
	uint32_t port;

	if (read(fd, &port, sizeof(port)) != sizeof(port) || port != want)
		die("event");
	if (write(fd, &port, sizeof(port)) != sizeof(port))
		die("unmask");
}

/* Binding rings the new port once, in case the far end has rung before. */
static void drain(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint32_t port;

	while (poll(&p, 1, 100) == 1)
		if (read(fd, &port, sizeof(port)) != sizeof(port) || write(fd, &port, sizeof(port)) != sizeof(port))
			die("event");
}

static void events_to_self(int fd)
{
	uint32_t far = unbound(fd, 0), near = interdomain(fd, 0, far);

	drain(fd);
	notify(fd, far);
	take(fd, near);
	MARK(20);
	for (int i = 0; i < ROUNDS; i++) {
		notify(fd, far);
		take(fd, near);
	}
	MARK(21);
	MARK(22);
	for (int i = 0; i < ROUNDS; i++)
		notify(fd, near); /* the far end stays pending after the first one */
	MARK(23);
	drain(fd);
}

static void events_to_guest(int fd, unsigned domid, uint32_t remote)
{
	uint32_t port = interdomain(fd, domid, remote);

	drain(fd);
	for (int i = 0; i < ROUNDS; i++) {
		if (i == 10) /* both ends are warm */
			MARK(24);
		notify(fd, port);
		take(fd, port);
	}
	MARK(25);
}

/* --- grants --- */

static volatile uint32_t *map(int fd, unsigned domid, uint32_t count, uint64_t *index)
{
	struct {
		struct ioctl_gntdev_map_grant_ref m;
		struct ioctl_gntdev_grant_ref more[MAX_PAGES - 1];
	} a = { .m.count = count };
	void *p;

	for (uint32_t i = 0; i < count; i++)
		*(i ? &a.more[i - 1] : &a.m.refs[0]) = (struct ioctl_gntdev_grant_ref){ domid, FIRST_REF + i };
	ok(ioctl(fd, IOCTL_GNTDEV_MAP_GRANT_REF, &a), "map grant");
	p = mmap(NULL, count * 4096ul, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)a.m.index);
	if (p == MAP_FAILED)
		die("mmap of a grant");
	*index = a.m.index;
	return p;
}

static void unmap(int fd, volatile uint32_t *p, uint32_t count, uint64_t index)
{
	struct ioctl_gntdev_unmap_grant_ref u = { .index = index, .count = count };

	munmap((void *)p, count * 4096ul);
	ok(ioctl(fd, IOCTL_GNTDEV_UNMAP_GRANT_REF, &u), "unmap grant");
}

static void map_and_unmap(int fd, unsigned domid, uint32_t count)
{
	uint64_t index;

	for (int i = 0; i < MAPPINGS; i++) {
		volatile uint32_t *p = map(fd, domid, count, &index);

		for (uint32_t k = 0; k < count; k++)
			p[k * 1024];
		unmap(fd, p, count, index);
	}
}

static void drivers(unsigned domid)
{
	int events = (int)ok(open("/dev/xen/evtchn", O_RDWR), "evtchn"),
	    grants = (int)ok(open("/dev/xen/gntdev", O_RDWR), "gntdev");
	uint32_t port;
	uint64_t index;
	volatile uint32_t *page = map(grants, domid, 1, &index);

	port = page[0];
	unmap(grants, page, 1, index);
	events_to_self(events);
	events_to_guest(events, domid, port);
	map_and_unmap(grants, domid, 1);
	MARK(26);
	map_and_unmap(grants, domid, 1);
	MARK(27);
	map_and_unmap(grants, domid, 16);
	MARK(28);
	map_and_unmap(grants, domid, 16);
	MARK(29);
}

/* --- disk --- */

static char *megabyte(void)
{
	char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void disk(const char *path, int writing)
{
	int fd = (int)ok(open(path, (writing ? O_WRONLY : O_RDONLY) | O_DIRECT), path);
	char *p = megabyte();

	/* The first round makes whatever is made once, such as grants that stay. */
	for (int i = 0; i < 4 + DISK_MIB; i++) {
		if (i == 4 && writing)
			MARK(32);
		else if (i == 4)
			MARK(30);
		if ((writing ? pwrite(fd, p, MIB, i * (off_t)MIB) : pread(fd, p, MIB, i * (off_t)MIB)) != MIB)
			die(path);
	}
	if (writing)
		MARK(33);
	else
		MARK(31);
}

/* --- network --- */

static void all(int fd, char *p, size_t n, int sending)
{
	while (n) {
		ssize_t k = sending ? send(fd, p, n, 0) : recv(fd, p, n, 0);

		if (k <= 0)
			die("network");
		n -= (size_t)k;
		p += k;
	}
}

static void at_once(int fd)
{
	int one = 1;

	ok(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "nodelay");
}

static void serve(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = (int)ok(socket(AF_INET, SOCK_STREAM, 0), "socket"), one = 1;
	char *p = megabyte();

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ok(bind(fd, (void *)&a, sizeof(a)), "bind");
	ok(listen(fd, 1), "listen");
	fd = (int)ok(accept(fd, NULL, NULL), "accept");
	at_once(fd);
	for (int i = 0; i < ROUNDS + 10; i++) {
		all(fd, p, 1, 0);
		all(fd, p, 1, 1);
	}
	for (int i = 0; i < NET_MIB; i++)
		all(fd, p, MIB, 0);
	all(fd, p, 1, 1);
	for (int i = 0; i < NET_MIB; i++)
		all(fd, p, MIB, 1);
	all(fd, p, 1, 0);
}

static void network(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = (int)ok(socket(AF_INET, SOCK_STREAM, 0), "socket");
	char *p = megabyte();

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		die("address");
	ok(connect(fd, (void *)&a, sizeof(a)), "connect");
	at_once(fd);
	for (int i = 0; i < ROUNDS + 10; i++) {
		if (i == 10)
			MARK(34);
		all(fd, p, 1, 1);
		all(fd, p, 1, 0);
	}
	MARK(35);
	MARK(36);
	for (int i = 0; i < NET_MIB; i++)
		all(fd, p, MIB, 1);
	all(fd, p, 1, 0); /* all of it has been received */
	MARK(37);
	MARK(38);
	for (int i = 0; i < NET_MIB; i++)
		all(fd, p, MIB, 0);
	MARK(39);
	all(fd, p, 1, 1);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "", *with = argc > 2 ? argv[2] : "";

	if (!strcmp(what, "mark"))
		mark((unsigned)atoi(with));
	else if (!strcmp(what, "run") && argc > 3)
		return run((unsigned)atoi(with), argv + 3);
	else if (!strcmp(what, "seed"))
		seed();
	else if (!strcmp(what, "daemons"))
		daemons();
	else if (!strcmp(what, "drivers"))
		drivers((unsigned)atoi(with));
	else if (!strcmp(what, "read"))
		disk(with, 0);
	else if (!strcmp(what, "write"))
		disk(with, 1);
	else if (!strcmp(what, "serve"))
		serve();
	else if (!strcmp(what, "network"))
		network(with);
	else
		return 1;
	return 0;
}
