/* The wire's parsers, which daemon and clients share: any bytes, nothing read beyond them, and what is taken can be put together again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *in = malloc(size + 1), out[16 + 4096];
	const char *words[8];
	struct xsd_sockmsg h;
	uint64_t number;
	uint32_t id;
	unsigned access;
	int n;
	memcpy(in, data, size);
	n = wire_peek(in, size, &h);
	need(n <= (int)size);
	if (n > 0) {
		struct wire_piece p = { in + sizeof(h), h.len };
		need(h.len <= 4096 && (size_t)n == sizeof(h) + h.len);
		need(wire_pack(out, sizeof(out), h.type, h.req_id, h.tx_id, &p, 1) == (size_t)n &&
		     !memcmp(out, in, (size_t)n));
	}
	n = wire_split(in, size, words, 8);
	need(n < 0 || (unsigned)n == wire_count_strings(in, size));
	for (int i = 0; i < n && i < 8; i++)
		need(words[i] >= in && words[i] < in + size);
	need(wire_error_number(in, size) > 0);
	if (wire_path_valid(in, size, true))
		need(size > 0 && size <= 3072 && !memchr(in, ' ', size) && (size == 1 || in[size - 1] != '/'));
	in[size] = '\0';
	need(wire_domain_prefix(in) <= size);
	if (wire_parse_number(in, 65535, &number))
		need(number <= 65535 && in[0] >= '0' && in[0] <= '9');
	if (wire_perm_parse(in, &id, &access)) {
		char again[16];
		uint32_t id2;
		unsigned access2;
		need(wire_perm_format(again, sizeof(again), id, access) < 16);
		need(wire_perm_parse(again, &id2, &access2) && id2 == id && access2 == access);
	}
	free(in);
	return 0;
}
