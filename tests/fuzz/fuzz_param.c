/* Any command line: parsing and every way of asking stay within their memory and terminate. */
#include <stdlib.h>
#include <string.h>

#include "asm/host.h"
#include "hv/boot.h"
#include "hv/parse.h"
#include "hv/uart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "smt", "mem", "maxcpus", "console", "com1", "ivrs_hpet", "iommu" };
	struct uart_config uart = { 0, 115200, 8, 1, 'n', 0x3f8, 4 };
	static bool up;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (!up) {
		host_machine(16UL << 20, 1);
		up = true;
	}
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	param_parse(text);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)param_bool(names[i], true);
		(void)param_size(names[i], 1);
		(void)param_int(names[i], 1);
		if (param_string(names[i], NULL) && strlen(param_string(names[i], "")) > size + 2)
			abort();
		(void)param_list_bool(names[i], "verbose", false);
	}
	if (strlen(param_extra()) > size)
		abort();
	if (uart_config_parse(&uart, text) == 0 && (!uart.base_baud || !uart.port || uart.irq > 15))
		abort();
	(void)host_log();
	free(text);
	return 0;
}
