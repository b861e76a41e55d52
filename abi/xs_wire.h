/* The store's wire protocol and ring. */
#ifndef ABI_XS_WIRE_H
#define ABI_XS_WIRE_H

#include "layout.h"

enum xsd_sockmsg_type {
	XS_CONTROL,
	XS_DIRECTORY,
	XS_READ,
	XS_GET_PERMS,
	XS_WATCH,
	XS_UNWATCH,
	XS_TRANSACTION_START,
	XS_TRANSACTION_END,
	XS_INTRODUCE,
	XS_RELEASE,
	XS_GET_DOMAIN_PATH,
	XS_WRITE,
	XS_MKDIR,
	XS_RM,
	XS_SET_PERMS,
	XS_WATCH_EVENT,
	XS_ERROR,
	XS_IS_DOMAIN_INTRODUCED,
	XS_RESUME,
	XS_SET_TARGET,
	XS_RESET_WATCHES = XS_SET_TARGET + 2,
	XS_DIRECTORY_PART,
	XS_TYPE_COUNT,
	XS_INVALID = 0xffff,
};
#define XS_DEBUG XS_CONTROL

struct xsd_sockmsg {
	uint32_t type; /* enum xsd_sockmsg_type */
	uint32_t req_id;
	uint32_t tx_id;
	uint32_t len; /* of what follows */
};
ABI_SIZE(struct xsd_sockmsg, 16);

#define XENSTORE_RING_SIZE 1024
typedef uint32_t XENSTORE_RING_IDX;
#define MASK_XENSTORE_IDX(idx) ((idx) & (XENSTORE_RING_SIZE - 1))

struct xenstore_domain_interface {
	char req[XENSTORE_RING_SIZE]; /* to the store */
	char rsp[XENSTORE_RING_SIZE]; /* from the store */
	XENSTORE_RING_IDX req_cons, req_prod;
	XENSTORE_RING_IDX rsp_cons, rsp_prod;
	uint32_t server_features; /* XENSTORE_SERVER_FEATURE_* */
	uint32_t connection;	  /* XENSTORE_CONNECTED or XENSTORE_RECONNECT */
	uint32_t error;		  /* XENSTORE_ERROR_* */
};
ABI_SIZE(struct xenstore_domain_interface, 2076);
ABI_OFFSET(struct xenstore_domain_interface, rsp, 1024);
ABI_OFFSET(struct xenstore_domain_interface, req_cons, 2048);
ABI_OFFSET(struct xenstore_domain_interface, rsp_prod, 2060);
ABI_OFFSET(struct xenstore_domain_interface, server_features, 2064);
ABI_OFFSET(struct xenstore_domain_interface, connection, 2068);
ABI_OFFSET(struct xenstore_domain_interface, error, 2072);

#define XENSTORE_PAYLOAD_MAX 4096
#define XENSTORE_ABS_PATH_MAX 3072
#define XENSTORE_REL_PATH_MAX 2048
#define XENSTORE_SERVER_FEATURE_RECONNECTION 1
#define XENSTORE_SERVER_FEATURE_ERROR 2
#define XENSTORE_CONNECTED 0
#define XENSTORE_RECONNECT 1
#define XENSTORE_ERROR_NONE 0
#define XENSTORE_ERROR_COMM 1
#define XENSTORE_ERROR_RINGIDX 2
#define XENSTORE_ERROR_PROTO 3

#endif
