#include "uuid.h"

#include <stdio.h>

void uuid_format(char out[UUID_TEXT], const uint8_t u[16])
{
	snprintf(out, UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		 u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

bool uuid_parse(uint8_t uuid[16], const char *text)
{
	unsigned nr = 0;
	int hi = -1;
	for (; *text; text++) {
		int digit = *text >= '0' && *text <= '9' ? *text - '0' :
			    *text >= 'a' && *text <= 'f' ? *text - 'a' + 10 :
			    *text >= 'A' && *text <= 'F' ? *text - 'A' + 10 :
							   -1;
		if (*text == '-')
			continue;
		if (digit < 0 || nr == 16)
			return false;
		if (hi < 0) {
			hi = digit;
			continue;
		}
		uuid[nr++] = (uint8_t)(hi << 4 | digit);
		hi = -1;
	}
	return nr == 16 && hi < 0;
}
