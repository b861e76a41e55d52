/*
 * no-sg INTERFACE: it sends no packet in pieces from now on. A driver domain's own interface, where another domain serves that, needs this to pass on
 * what others send: netback copies the head of a packet and maps the rest, and a page can be granted by its owner alone. Taken together, it is copied.
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct ethtool_value off = { .cmd = ETHTOOL_SSG, .data = 0 };
	struct ifreq request = { .ifr_data = (void *)&off };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 2 || strlen(argv[1]) >= IFNAMSIZ)
		return 2;
	strcpy(request.ifr_name, argv[1]);
	if (s < 0 || ioctl(s, SIOCETHTOOL, &request)) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
