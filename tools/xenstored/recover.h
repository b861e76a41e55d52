/* A journal's records back into state. */
#ifndef XENSTORED_RECOVER_H
#define XENSTORED_RECOVER_H

#include <stddef.h>
#include <stdint.h>

/* Apply the body of one valid group to the store; state of rings is collected. 0, or EINVAL: a record makes no sense. */
int recover_group(const void *body, size_t len);
/* All groups were applied: map rings, resume what was in flight, fire each watch once. */
void recover_finish(void);

#endif
