/*
 * 16550 on I/O ports (National PC16550D data sheet). Output waits for the device, but never for ever: after one long
 * wait in vain a UART counts as stuck and gets short ones until it shows life.
 */
#include "asm/apic.h"
#include "asm/cpu.h"
#include "asm/io.h"
#include "asm/traps.h"
#include "hv/boot.h"
#include "hv/console.h"
#include "hv/hwdom.h"
#include "hv/printk.h"
#include "hv/time.h"
#include "hv/uart.h"

#define UART_DATA 0 /* and divisor low */
#define UART_IER 1  /* and divisor high */
#define UART_IIR 2  /* FCR when written */
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_SCRATCH 7

#define IER_RX 0x01
#define IIR_NONE 0x01
#define IIR_FIFO 0xc0
#define FCR_ENABLE 0x01
#define FCR_CLEAR 0x06
#define FCR_TRIGGER_8 0x80
#define LCR_DLAB 0x80
#define MCR_DTR_RTS 0x03
#define MCR_OUT2 0x08 /* opens the interrupt line on PCs */
#define LSR_RX 0x01
#define LSR_TX_EMPTY 0x20

#define FIFO_SIZE 16u
#define LONG_WAIT 200000u /* port reads of about a microsecond: far longer than 16 characters take at 1200 baud */
#define SHORT_WAIT 10u
#define RX_BURST 64u
#define POLL_PERIOD MILLISECS(10)

struct uart {
	struct uart_config config;
	bool present, fifo, stuck;
	unsigned room; /* characters the FIFO takes without another look */
};

static struct {
	struct uart com[2]; /* output state: under the console's lock */
	struct uart *input; /* the one that delivers input, NULL = none yet */
	struct timer poll;
} uarts = {
	.com = { { .config = { 0, 115200, 8, 1, 'n', 0x3f8, 4 } }, { .config = { 0, 115200, 8, 1, 'n', 0x2f8, 3 } } },
};

static uint8_t reg_read(const struct uart *u, unsigned reg)
{
	return inb((uint16_t)(u->config.port + reg));
}

static void reg_write(const struct uart *u, unsigned reg, uint8_t val)
{
	outb((uint16_t)(u->config.port + reg), val);
}

static void put(struct uart *u, char c)
{
	unsigned tries = u->stuck ? SHORT_WAIT : LONG_WAIT;

	while (!u->room) {
		if (reg_read(u, UART_LSR) & LSR_TX_EMPTY) {
			u->room = u->fifo ? FIFO_SIZE : 1;
			u->stuck = false;
			break;
		}
		if (!tries--) {
			u->stuck = true;
			return;
		}
		cpu_pause();
	}
	u->room--;
	reg_write(u, UART_DATA, (uint8_t)c);
}

static void put_com1(char c)
{
	put(&uarts.com[0], c);
}

static void put_com2(char c)
{
	put(&uarts.com[1], c);
}

/* Nothing answers at an empty port: all registers read 0xff. The scratch register of a UART keeps what is written. */
static bool probe(struct uart *u)
{
	static const uint8_t patterns[] = { 0x5a, 0xa5 };

	for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++) {
		reg_write(u, UART_SCRATCH, patterns[i]);
		if (reg_read(u, UART_SCRATCH) != patterns[i])
			return false;
	}
	return reg_read(u, UART_LSR) != 0xff;
}

static uint8_t line_control(const struct uart_config *c)
{
	uint8_t lcr = (uint8_t)(c->data_bits - 5);

	if (c->stop_bits == 2)
		lcr |= 0x04;
	switch (c->parity) {
	case 'o':
		return lcr | 0x08;
	case 'e':
		return lcr | 0x18;
	case 'm':
		return lcr | 0x28;
	case 's':
		return lcr | 0x38;
	default:
		return lcr;
	}
}

static void set_up(struct uart *u)
{
	const struct uart_config *c = &u->config;
	uint8_t lcr = line_control(c);
	uint32_t divisor;

	reg_write(u, UART_IER, 0);
	reg_write(u, UART_LCR, lcr | LCR_DLAB);
	divisor = c->baud ? c->base_baud / c->baud : (uint32_t)(reg_read(u, UART_DATA) | reg_read(u, UART_IER) << 8);
	if (!divisor)
		divisor = 1;
	reg_write(u, UART_DATA, (uint8_t)divisor);
	reg_write(u, UART_IER, (uint8_t)(divisor >> 8));
	reg_write(u, UART_LCR, lcr);
	reg_write(u, UART_IIR, FCR_ENABLE | FCR_CLEAR | FCR_TRIGGER_8);
	u->fifo = (reg_read(u, UART_IIR) & IIR_FIFO) == IIR_FIFO;
	reg_write(u, UART_MCR, MCR_DTR_RTS | MCR_OUT2);
}

/* See hv/uart.h. Boot CPU, before input is started. */
const struct console_driver *uart_init(unsigned nr)
{
	static const struct console_driver drivers[] = { { "com1", put_com1 }, { "com2", put_com2 } };
	static const char *const options[] = { "com1", "com2" };
	struct uart *u = &uarts.com[nr - 1];
	struct uart_config wanted = u->config;
	const char *text = param_string(options[nr - 1], "");

	if (uart_config_parse(&wanted, text))
		printk(LOG_WARN, "Option %s=%s not understood, default kept\n", options[nr - 1], text);
	else
		u->config = wanted;
	if (!probe(u))
		return NULL;
	set_up(u);
	u->present = true;
	hwdom_withhold_ports(u->config.port, (uint16_t)(u->config.port + UART_SCRATCH));
	if (!uarts.input)
		uarts.input = u;
	return &drivers[nr - 1];
}

/* Everything received, a bounded number of times. CPU 0: interrupt, or the poll timer where there is no interrupt. */
static void receive(const struct uart *u)
{
	char buf[RX_BURST];
	size_t n = 0;

	while (n < sizeof(buf) && (reg_read(u, UART_LSR) & LSR_RX))
		buf[n++] = (char)reg_read(u, UART_DATA);
	if (n)
		console_input(buf, n);
}

static void interrupt(unsigned vector)
{
	const struct uart *u = uarts.input;

	/* Reading IIR takes back causes we did not ask for; an edge comes only after all are gone. */
	for (unsigned i = 0; i < 8; i++) {
		receive(u);
		if (reg_read(u, UART_IIR) & IIR_NONE)
			return;
	}
}

static void poll(void *data)
{
	receive(uarts.input);
	timer_set(&uarts.poll, now() + POLL_PERIOD);
}

static bool open_interrupt(const struct uart *u)
{
	int vector;

	if (!u->config.irq)
		return false;
	vector = irq_alloc_vector();
	if (vector < 0)
		return false;
	irq_set_handler((unsigned)vector, interrupt);
	if (ioapic_route_isa(u->config.irq, (unsigned)vector))
		return false;
	reg_write(u, UART_IER, IER_RX);
	/* What came before the line was open raised no edge. */
	reg_read(u, UART_IIR);
	return true;
}

/* See hv/uart.h. Boot CPU; interrupt controllers and timers are up. */
void uart_start_input(void)
{
	struct uart *u = uarts.input;

	if (!u)
		return;
	if (open_interrupt(u))
		return;
	printk(LOG_INFO, "Serial port 0x%x: no interrupt, polled\n", u->config.port);
	timer_init(&uarts.poll, poll, NULL, 0);
	timer_set(&uarts.poll, now() + POLL_PERIOD);
}
