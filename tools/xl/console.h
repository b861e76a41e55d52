/* Handing the terminal to the console client. */
#ifndef XL_CONSOLE_H
#define XL_CONSOLE_H

#include <stdint.h>

/* Become xenconsole; returns an exit status only if that cannot be. */
int console_run(uint32_t domid, const char *type, unsigned number);

#endif
