#include "update.h"

#include <errno.h>

void update_control(struct conn *c, uint32_t req, uint32_t tx, const char *args, size_t len)
{
	conn_error(c, req, tx, ENOSYS);
}

void update_poll(void)
{
}

int update_take_over(void)
{
	return ENOSYS;
}
