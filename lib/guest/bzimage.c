#include "guest/bzimage.h"

#include <string.h>

#define SETUP_SECTS 0x1f1
#define MAGIC 0x202
#define VERSION 0x206
#define PAYLOAD_OFFSET 0x248 /* since protocol 2.08 */
#define PAYLOAD_LENGTH 0x24c

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* See bzimage.h. */
bool bzimage_is(const uint8_t *head, size_t len)
{
	return len >= BZIMAGE_HEAD && memcmp(head + MAGIC, "HdrS", 4) == 0;
}

/* See bzimage.h. */
const char *bzimage_payload(const uint8_t *head, uint64_t size, uint64_t *start, uint64_t *len)
{
	uint64_t sects = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;

	if (head[VERSION + 1] < 2 || (head[VERSION + 1] == 2 && head[VERSION] < 8))
		return "it is a bzImage older than boot protocol 2.08 (Linux 2.6.24), which does not say where its kernel lies";
	*start = (sects + 1) * 512 + get32(head + PAYLOAD_OFFSET);
	*len = get32(head + PAYLOAD_LENGTH);
	if (*len < 8)
		return "it is a bzImage without a payload";
	if (*start > size || *len > size - *start)
		return "it is a bzImage whose payload ends behind the end of the file: truncated?";
	return NULL;
}
