/*
 * The client's end of hospesd's socket: JSON-RPC 2.0, one object per line. docs/hospesd.md has the methods.
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include <stdbool.h>

struct json_object;
struct problem;
struct rpc;

/*
 * Connect to the daemon at HOSPESD_SOCKET or /run/hospes/hospesd.socket. @start: run hospesd if nobody listens, and wait until it does. NULL with the problem.
 */
struct rpc *rpc_connect(bool start, struct problem *p);
void rpc_close(struct rpc *r);
int rpc_fd(const struct rpc *r);

/* Notifications that come while a call waits ("progress", "event"). */
typedef void rpc_notified(void *arg, const char *method, struct json_object *params);

/*
 * Call @method with @params (taken over; NULL: none) and wait for the answer. The result, to be put by the caller, or NULL with the problem
 * the daemon sent. -@timeout_ms < 0: for ever.
 */
struct json_object *rpc_call(struct rpc *r, const char *method, struct json_object *params, int timeout_ms,
			     rpc_notified *notified, void *arg, struct problem *p);
/* Wait for the next notification. 0, or -errno (-ETIMEDOUT, -EPIPE). */
int rpc_wait(struct rpc *r, int timeout_ms, rpc_notified *notified, void *arg);

#endif
