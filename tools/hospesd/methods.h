/* What the socket's clients may ask for: docs/hospesd.md. */
#ifndef HOSPESD_METHODS_H
#define HOSPESD_METHODS_H

#include "server.h"

extern const struct server_entry methods[];

#endif
