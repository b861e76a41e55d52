/* Numbers about domains, for top and metrics. */
#ifndef XL_STATS_H
#define XL_STATS_H

#include <stdint.h>

#include "domains.h"

struct net_stats {
	unsigned id;
	uint64_t rx_bytes, rx_packets, rx_errors, rx_drops, tx_bytes, tx_packets, tx_errors,
		tx_drops; /* as the guest sees them */
};

struct vbd_stats {
	unsigned id;
	uint64_t oo, reads, writes, read_sectors, written_sectors;
};

struct stats {
	struct domain d; /* a borrowed name */
	struct net_stats *nets;
	unsigned nr_nets;
	struct vbd_stats *vbds;
	unsigned nr_vbds;
};

/* Of all domains of @l, which must outlive it. To be freed by stats_free(). */
struct stats *stats_read(const struct domains *l);
void stats_free(struct stats *s, unsigned nr);

#endif
