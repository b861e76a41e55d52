/* Serial and screen consoles. hv/drivers/uart.c, hv/drivers/vga.c; the choice by console= is hv/drivers/consoles.c. */
#ifndef HV_UART_H
#define HV_UART_H

#include "hv/types.h"

struct console_driver;

/* What com1= or com2= says: baud[/base][,DPS[,io-base[,irq]]], any part may be empty. */
struct uart_config {
	uint32_t baud;	    /* 0: as firmware left it */
	uint32_t base_baud; /* baud at divisor 1 */
	uint8_t data_bits, stop_bits;
	char parity; /* n o e m s */
	uint16_t port;
	uint8_t irq; /* 0: polled */
};
/* Pure. -EINVAL: not understood; @c is then partly changed. hv/lib/uart_config.c */
int uart_config_parse(struct uart_config *c, const char *text) must_check;

/* Boot, options known: open the devices console= lists (default com1,vga). VGA waits for consoles_init_late(). */
void consoles_init(void);
/* Boot, with page tables, interrupts and timers: screen, and serial input. */
void consoles_init_late(void);

/* Set up COM @nr (1 or 2). NULL if there is no such device. */
const struct console_driver *uart_init(unsigned nr);
/* Let the UART opened first deliver input, by its interrupt or by a timer. */
void uart_start_input(void);
/* The 80x25 text screen, or NULL if there is none or it shows graphics. */
const struct console_driver *vga_init(void);
/* The hardware domain drives the screen from now on, unless vga=keep. */
void vga_hand_over(void);

#endif
