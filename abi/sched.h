/* Scheduling: hypercall 29. */
#ifndef ABI_SCHED_H
#define ABI_SCHED_H

#include "event_channel.h"

#define SCHEDOP_yield 0
#define SCHEDOP_block 1
#define SCHEDOP_shutdown 2
#define SCHEDOP_poll 3
#define SCHEDOP_remote_shutdown 4
#define SCHEDOP_shutdown_code 5
#define SCHEDOP_watchdog 6
#define SCHEDOP_pin_override 7

struct sched_shutdown {
	uint32_t reason; /* SHUTDOWN_* */
};
ABI_SIZE(struct sched_shutdown, 4);

struct sched_poll {
	uint64_t ports; /* handle: evtchn_port_t[] */
	uint32_t nr_ports;
	uint64_t timeout; /* absolute system time in ns, 0 = none */
};
ABI_SIZE(struct sched_poll, 24);
ABI_OFFSET(struct sched_poll, nr_ports, 8);
ABI_OFFSET(struct sched_poll, timeout, 16);

struct sched_remote_shutdown {
	domid_t domain_id;
	uint32_t reason; /* SHUTDOWN_* */
};
ABI_SIZE(struct sched_remote_shutdown, 8);
ABI_OFFSET(struct sched_remote_shutdown, reason, 4);

struct sched_watchdog {
	uint32_t id;
	uint32_t timeout; /* seconds */
};
ABI_SIZE(struct sched_watchdog, 8);

struct sched_pin_override {
	int32_t pcpu;
};
ABI_SIZE(struct sched_pin_override, 4);

/* The largest is SHUTDOWN_soft_reset; the name SHUTDOWN_MAX is left to users. */
#define SHUTDOWN_poweroff 0
#define SHUTDOWN_reboot 1
#define SHUTDOWN_suspend 2
#define SHUTDOWN_crash 3
#define SHUTDOWN_watchdog 4
#define SHUTDOWN_soft_reset 5

#endif
