/* The host that is played by files: see host.h. */
#ifndef HOST_HOST_FAKE_H
#define HOST_HOST_FAKE_H

#include <stdbool.h>

struct host_block;
struct problem;

/* Where they are; NULL: the host is the real one. */
const char *fake_folder(void);
int fake_loop_attach(const char *path, const char *tag, struct host_block *b, struct problem *p);
int fake_loop_detach(const char *device);
void fake_loops(void (*fn)(void *arg, const char *device, const char *tag), void *arg);
bool fake_bridge(const char *bridge, unsigned *mtu);
int fake_port_add(const char *dev, const char *bridge, unsigned mtu, struct problem *p);
void fake_port_remove(const char *dev);

#endif
