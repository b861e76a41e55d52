#include "hv/errno.h"
#include "hv/parse.h"
#include "hv/string.h"
#include "hv/uart.h"

/* Number that fills the whole item, at most @max. */
static int item_number(const char *s, size_t len, uint64_t max, uint64_t *out)
{
	const char *end;

	if (parse_u64(s, &end, out) || end != s + len || *out > max)
		return -EINVAL;
	return 0;
}

static int parse_baud(struct uart_config *c, const char *s, size_t len)
{
	const char *slash = memchr(s, '/', len);
	size_t n = slash ? (size_t)(slash - s) : len;
	uint64_t val;

	if (slash) {
		if (item_number(slash + 1, len - n - 1, 100000000, &val) || !val)
			return -EINVAL;
		c->base_baud = (uint32_t)val;
	}
	if (parse_is(s, n, "auto")) {
		c->baud = 0;
		return 0;
	}
	if (item_number(s, n, c->base_baud, &val) || !val || c->base_baud / val > 0xffff)
		return -EINVAL;
	c->baud = (uint32_t)val;
	return 0;
}

/* Data bits, parity, stop bits: 8n1. */
static int parse_frame(struct uart_config *c, const char *s, size_t len)
{
	if (len != 3 || s[0] < '5' || s[0] > '8' || !strchr("noems", s[1]) || (s[2] != '1' && s[2] != '2'))
		return -EINVAL;
	c->data_bits = (uint8_t)(s[0] - '0');
	c->parity = s[1];
	c->stop_bits = (uint8_t)(s[2] - '0');
	return 0;
}

/* See hv/uart.h. */
int uart_config_parse(struct uart_config *c, const char *text)
{
	const char *item;
	uint64_t val;
	size_t len;

	for (unsigned i = 0; parse_item(&text, ',', &item, &len); i++) {
		if (!len)
			continue;
		switch (i) {
		case 0:
			if (parse_baud(c, item, len))
				return -EINVAL;
			break;
		case 1:
			if (parse_frame(c, item, len))
				return -EINVAL;
			break;
		case 2:
			if (item_number(item, len, 0xfff8, &val) || !val)
				return -EINVAL;
			c->port = (uint16_t)val;
			break;
		case 3:
			if (item_number(item, len, 15, &val))
				return -EINVAL;
			c->irq = (uint8_t)val;
			break;
		default:
			/* Xen's further fields place a UART on PCI: not for a legacy port. */
			return -EINVAL;
		}
	}
	return 0;
}
