/*
 * Kernel arguments of a hardware domain without an IOMMU. Its devices reach the machine's frame of a gfn's number: right for its own RAM, which lies one
 * to one, wrong for a page of another domain that it has mapped at some gfn. Such a page must be copied through its own RAM
 * on the way to or from a device. Linux does so for everything with "swiotlb=force": the DMA interface then hands no other address to a device.
 * A kernel that does not know the word ignores it.
 */
#include "hv/mm.h"
#include "hv/parse.h"
#include "hv/string.h"
#include "internal.h"

#define OPTION "swiotlb="
#define FORCE "swiotlb=force"

/* Does @cmdline give the option the value @value, among others? What follows "--" is not the kernel's. */
static bool says(const char *cmdline, const char *value)
{
	const char *word, *item;
	size_t len, n;

	while (parse_item(&cmdline, ' ', &word, &len) && !parse_is(word, len, "--")) {
		char text[64];
		const char *list = text;

		if (len < strlen(OPTION) || len >= sizeof(text) || memcmp(word, OPTION, strlen(OPTION)) != 0)
			continue;
		memcpy(text, word + strlen(OPTION), len - strlen(OPTION));
		text[len - strlen(OPTION)] = 0;
		while (parse_item(&list, ',', &item, &n))
			if (parse_is(item, n, value))
				return true;
	}
	return false;
}

/* See internal.h. */
enum launch_bounce launch_bounce(const char *cmdline)
{
	if (says(cmdline, "noforce"))
		return LAUNCH_BOUNCE_NEVER;
	return says(cmdline, "force") ? LAUNCH_BOUNCE_ASKED : LAUNCH_BOUNCE_MISSING;
}

/* See internal.h. */
char *launch_bounce_args(const char *cmdline)
{
	size_t n = strlen(cmdline);
	char *out = xzalloc_bytes(sizeof(FORCE " ") + n);

	if (!out)
		return NULL;
	memcpy(out, FORCE " ", strlen(FORCE " "));
	memcpy(out + strlen(FORCE " "), cmdline, n);
	return out;
}
