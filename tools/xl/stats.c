/* Traffic is what the back ends in this domain's kernel count: its network devices vif<domid>.<n>, and /sys/bus/xen-backend. */
#include "stats.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xl.h"

#define BACKENDS "/sys/bus/xen-backend/devices"

/* Where the kernel shows them: "", or for tests the directory XL_SYSROOT. */
static const char *root(void)
{
	const char *dir = getenv("XL_SYSROOT");

	return dir ? dir : "";
}

static struct stats *find(struct stats *s, unsigned nr, unsigned domid)
{
	for (unsigned i = 0; i < nr; i++)
		if (s[i].d.info.domain == domid)
			return &s[i];
	return NULL;
}

static void read_nets(struct stats *s, unsigned nr)
{
	char line[512], path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/net/dev", root());
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned domid, id;
		struct net_stats n = { 0 };
		unsigned long long v[12];
		struct stats *to;

		/* The device's own view: what it receives, the guest has sent. */
		if (sscanf(line, " vif%u.%u: %llu %llu %llu %llu %*u %*u %*u %*u %llu %llu %llu %llu", &domid, &id,
			   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) != 10)
			continue;
		to = find(s, nr, domid);
		if (!to)
			continue;
		n = (struct net_stats){ id, v[4], v[5], v[6], v[7], v[0], v[1], v[2], v[3] };
		to->nets = xrealloc(to->nets, (to->nr_nets + 1) * sizeof(n));
		to->nets[to->nr_nets++] = n;
	}
	if (f)
		fclose(f);
}

static uint64_t read_count(const char *device, const char *name)
{
	char path[512];
	unsigned long long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s" BACKENDS "/%s/statistics/%s", root(), device, name);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%llu", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n;
}

static void read_vbds(struct stats *s, unsigned nr)
{
	struct dirent *e;
	char path[512];
	DIR *dir;

	snprintf(path, sizeof(path), "%s" BACKENDS, root());
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		struct vbd_stats v = { 0 };
		unsigned domid;
		struct stats *to;

		if (sscanf(e->d_name, "vbd-%u-%u", &domid, &v.id) != 2)
			continue;
		to = find(s, nr, domid);
		if (!to)
			continue;
		v.oo = read_count(e->d_name, "oo_req");
		v.reads = read_count(e->d_name, "rd_req");
		v.writes = read_count(e->d_name, "wr_req");
		v.read_sectors = read_count(e->d_name, "rd_sect");
		v.written_sectors = read_count(e->d_name, "wr_sect");
		to->vbds = xrealloc(to->vbds, (to->nr_vbds + 1) * sizeof(v));
		to->vbds[to->nr_vbds++] = v;
	}
	if (dir)
		closedir(dir);
}

struct stats *stats_read(const struct domains *l)
{
	struct stats *s = xcalloc(l->nr, sizeof(*s));

	for (unsigned i = 0; i < l->nr; i++)
		s[i].d = l->d[i];
	read_nets(s, l->nr);
	read_vbds(s, l->nr);
	return s;
}

void stats_free(struct stats *s, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		free(s[i].nets);
		free(s[i].vbds);
	}
	free(s);
}
