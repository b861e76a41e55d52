/*
 * A hypervisor made of a directory, for tests: they play hypervisor and guests, in C or Python, and the daemon cannot tell.
 * Started with `xenstored --fake-hypervisor DIR` (or XENSTORED_FAKE=DIR). Everything survives the daemon's death.
 *
 *   DIR/hyper         struct fake_hyper below, made and written by the test before the daemon starts; one entry per domain id.
 *   DIR/domN.ring     4096 bytes, the ring page of domain N (struct xenstore_domain_interface), made by the test.
 *                     dom0.ring is the kernel's; without that file there is no kernel ring.
 *   DIR/evtchn        FIFO to the daemon, made by the test, which keeps it open O_RDWR: a 32-bit little-endian port
 *                     per event. Port N is the ring of domain N; FAKE_PORT_DOM_EXC says that a domain changed.
 *   DIR/domN.event    FIFO to guest N, made by the test, kept open O_RDWR|O_NONBLOCK: one byte per event from the daemon.
 *
 * A new domain: make its ring file and FIFO, fill its entry (exists last), INTRODUCE it through the socket with any gfn and
 * entry.port as the port (0 in the entry: any port is right). Its end: set dying or shutdown (+code), or clear exists; raise
 * max_id where needed; then write FAKE_PORT_DOM_EXC to DIR/evtchn. A reborn id needs a new unique (0: the hypervisor cannot say).
 */
#ifndef XENSTORED_HYPER_FAKE_H
#define XENSTORED_HYPER_FAKE_H

#include <stdint.h>

#define FAKE_MAGIC 0x656b6166u /* "fake" */
#define FAKE_DOMAINS 32768
#define FAKE_PORT_DOM_EXC 65535u

struct fake_domain { /* 32 bytes */
	uint8_t exists, dying, shutdown, code;
	uint32_t port; /* what INTRODUCE must name; 0: anything */
	uint64_t unique;
	uint32_t notified; /* the daemon counts its events to the guest here */
	uint32_t bound;	   /* the daemon: 1 while the port is bound */
	uint32_t mapped;   /* the daemon: 1 while the ring is mapped */
	uint32_t reserved;
};

struct fake_hyper { /* 1 MiB and 64 bytes */
	uint32_t magic;
	uint32_t max_id;    /* no domain above it exists */
	uint32_t bad_calls; /* the daemon used an unbound port, unmapped twice, ...: tests want 0 */
	uint32_t reserved[13];
	struct fake_domain domains[FAKE_DOMAINS];
};

#endif
