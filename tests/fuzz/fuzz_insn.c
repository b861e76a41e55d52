/*
 * Feed the decoder anything: it must stay within the bytes it was given, and agree with itself when it is given less.
 * First byte: mode.
 */
#include <stdlib.h>

#include "emul/insn.h"
#include "hv/errno.h"
#include "hv/string.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_regs regs = { .rip = 0x1000 };
	struct segment segs[NR_SEGS] = { 0 };
	struct insn i, again;
	enum cpu_mode mode;
	uint8_t *exact;
	int rc;

	if (size < 1)
		return 0;
	mode = data[0] % 3;
	rc = insn_decode(&i, data + 1, (unsigned)size - 1, mode, data[0] & 0x80);
	if (rc == -EAGAIN && size > INSN_MAX_LEN)
		abort();
	if (rc)
		return 0;
	if (i.len == 0 || i.len > INSN_MAX_LEN || i.len > size - 1)
		abort();
	if (i.has_mem)
		(void)insn_ea(&i, &regs, segs);
	exact = malloc(i.len);
	if (!exact)
		return 0;
	memcpy(exact, data + 1, i.len);
	if (insn_decode(&again, exact, i.len, mode, data[0] & 0x80) || again.len != i.len || again.opcode != i.opcode)
		abort();
	if (insn_decode(&again, exact, i.len - 1u, mode, data[0] & 0x80) != -EAGAIN)
		abort();
	free(exact);
	return 0;
}
