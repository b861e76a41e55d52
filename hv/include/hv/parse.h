/* Numbers and words out of text. hv/lib/parse.c; pure. */
#ifndef HV_PARSE_H
#define HV_PARSE_H

#include "hv/types.h"

/*
 * A number at the start of @s: base 10, 16 with "0x", 8 with "0". *@end is set behind it. -EINVAL if there is none
 * (*@end = @s), -ERANGE if it exceeds 64 bits.
 */
int parse_u64(const char *s, const char **end, uint64_t *out) must_check;
/* The whole of @s is a number, "-" allowed before it. -EINVAL, -ERANGE. */
int parse_int(const char *s, int64_t *out) must_check;
/* The whole of @s is a size: a number and one of B K M G T, any case; without one kilobytes are meant, as in Xen. -EINVAL, -ERANGE. */
int parse_size(const char *s, uint64_t *out) must_check;
/* The @len bytes at @s: 1 for yes on true enable 1, 0 for no off false disable 0, else -EINVAL. */
int parse_bool(const char *s, size_t len) must_check;
/* Next item of a list separated by @sep: sets *@item and *@len and moves *@list on. False at the end. */
bool parse_item(const char **list, char sep, const char **item, size_t *len);
/* Do the @len bytes at @s spell @word? */
bool parse_is(const char *s, size_t len, const char *word);

#endif
