/* Which devices are consoles: the list console=, in which com1 and vga are the default and none means silence. */
#include "hv/boot.h"
#include "hv/console.h"
#include "hv/parse.h"
#include "hv/printk.h"
#include "hv/uart.h"

static bool wanted(const char *device)
{
	const char *list = param_string("console", "com1,vga"), *item;
	size_t len;

	while (parse_item(&list, ',', &item, &len))
		if (parse_is(item, len, device))
			return true;
	return false;
}

static void add(const struct console_driver *driver)
{
	if (driver)
		console_add(driver);
}

/* See hv/uart.h. */
void consoles_init(void)
{
	if (wanted("com1"))
		add(uart_init(1));
	if (wanted("com2"))
		add(uart_init(2));
}

/* See hv/uart.h. */
void consoles_init_late(void)
{
	if (wanted("vga"))
		add(vga_init());
	uart_start_input();
}
