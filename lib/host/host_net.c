/* Bridge ports, by rtnetlink. */
#include <dirent.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/problem.h"
#include "base/text.h"
#include "host.h"
#include "host_fake.h"

struct link_request {
	struct nlmsghdr h;
	struct ifinfomsg i;
	char attributes[256];
};

/* RTM_NEWLINK for interface @index with the bits @flags of @change. */
static void request_init(struct link_request *r, int index, unsigned flags, unsigned change)
{
	memset(r, 0, sizeof(*r));
	r->h.nlmsg_type = RTM_NEWLINK;
	r->h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	r->h.nlmsg_len = NLMSG_LENGTH(sizeof(r->i));
	r->i.ifi_family = AF_UNSPEC;
	r->i.ifi_index = index;
	r->i.ifi_flags = flags;
	r->i.ifi_change = change;
}

static void request_add(struct link_request *r, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* Send it and wait for the kernel's answer, which it gives at once. 0 or -errno. */
static int request_do(struct link_request *r)
{
	union {
		struct nlmsghdr h;
		char bytes[8192];
	} answer;
	struct nlmsgerr *e;
	ssize_t n;
	int rc = -EPROTO;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	n = send(fd, r, r->h.nlmsg_len, 0);
	if (n == (ssize_t)r->h.nlmsg_len)
		n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		rc = -errno;
	if (n >= (ssize_t)NLMSG_LENGTH(sizeof(*e)) && answer.h.nlmsg_type == NLMSG_ERROR) {
		e = NLMSG_DATA(&answer.h);
		rc = e->error;
	}
	close(fd);
	return rc;
}

static int set_flags(int index, unsigned flags, unsigned change)
{
	struct link_request r;
	request_init(&r, index, flags, change);
	return request_do(&r);
}

static int set_attribute(int index, unsigned short type, const void *data, size_t len)
{
	struct link_request r;
	request_init(&r, index, 0, 0);
	request_add(&r, type, data, len);
	return request_do(&r);
}

bool host_bridge(const char *bridge, unsigned *mtu)
{
	struct text t = { NULL, 0, 0 };
	char *path;
	bool yes;
	if (strchr(bridge, '/') || bridge[0] == '.' || !*bridge)
		return false;
	if (fake_folder())
		return fake_bridge(bridge, mtu);
	path = xasprintf("/sys/class/net/%s/bridge", bridge);
	yes = !access(path, F_OK);
	free(path);
	if (yes && mtu) {
		path = xasprintf("/sys/class/net/%s/mtu", bridge);
		*mtu = text_read_file(&t, path) ? 0 : (unsigned)strtoul(t.s, NULL, 10);
		free(path);
		text_free(&t);
	}
	return yes;
}

void host_bridges(char *buf, unsigned size)
{
	DIR *dir = fake_folder() ? NULL : opendir("/sys/class/net");
	struct dirent *e;
	unsigned len = 0;
	buf[0] = '\0';
	while (dir && (e = readdir(dir)) && len < size)
		if (host_bridge(e->d_name, NULL))
			len += (unsigned)snprintf(buf + len, size - len, "%s%s", len ? " " : "", e->d_name);
	if (dir)
		closedir(dir);
}

int host_port_add(const char *dev, const char *rename, const char *bridge, unsigned mtu, struct problem *p)
{
	static const unsigned char dummy[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };
	int index, master, rc;
	const char *what;
	if (fake_folder())
		return fake_port_add(rename ? rename : dev, bridge, mtu, p);
	index = (int)if_nametoindex(dev);
	if (!index && rename) /* an earlier try named it */
		index = (int)if_nametoindex(rename);
	master = (int)if_nametoindex(bridge);
	if (!index)
		return problem_set(p, ENODEV, "no-interface", "network", "look for xen-netback in dmesg",
				   "the back end made no interface %s", dev);
	if (!master)
		return problem_set(p, ENODEV, "no-such-bridge", "network",
				   "make the bridge, or correct bridge= in the configuration", "there is no bridge %s",
				   bridge);
	what = "down";
	rc = set_flags(index, 0, IFF_UP);
	if (!rc && rename && if_nametoindex(rename) != (unsigned)index) {
		what = "renamed";
		rc = set_attribute(index, IFLA_IFNAME, rename, strlen(rename) + 1);
	}
	/* An address no station has and larger than any: the bridge neither takes it for its own nor learns it. */
	if (!rc)
		set_attribute(index, IFLA_ADDRESS, dummy, sizeof(dummy));
	if (!rc && mtu) {
		what = "given its MTU";
		rc = set_attribute(index, IFLA_MTU, &mtu, sizeof(mtu));
	}
	if (!rc) {
		what = "made a port";
		rc = set_attribute(index, IFLA_MASTER, &master, sizeof(master));
	}
	if (!rc) {
		what = "brought up";
		rc = set_flags(index, IFF_UP, IFF_UP);
	}
	if (!rc)
		return 0;
	return problem_set(p, -rc, "bridge-refused", "network", "try the same by hand with 'ip link set'",
			   "%s cannot be %s on bridge %s: %s", rename ? rename : dev, what, bridge, strerror(-rc));
}

void host_port_remove(const char *dev)
{
	int none = 0, index;
	if (fake_folder()) {
		fake_port_remove(dev);
		return;
	}
	index = (int)if_nametoindex(dev);
	if (!index)
		return;
	/* It is about to vanish: failures do not matter. */
	if (set_flags(index, 0, IFF_UP) || set_attribute(index, IFLA_MASTER, &none, sizeof(none)))
		return;
}
