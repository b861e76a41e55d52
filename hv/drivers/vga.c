/* The 80x25 colour text screen at B8000. A copy in RAM spares slow reads of video memory when it scrolls. */
#include "asm/io.h"
#include "asm/paging.h"
#include "hv/acpi.h"
#include "hv/boot.h"
#include "hv/console.h"
#include "hv/printk.h"
#include "hv/string.h"
#include "hv/uart.h"

#define COLUMNS 80u
#define ROWS 25u
#define TEXT_BASE 0xb8000u
#define LIGHT_GREY 0x0700u

#define CRTC_INDEX 0x3d4
#define CRTC_DATA 0x3d5
#define CRTC_START_HIGH 0x0c
#define CRTC_CURSOR_HIGH 0x0e
#define GRAPHICS_INDEX 0x3ce
#define GRAPHICS_DATA 0x3cf
#define GRAPHICS_MISC 6 /* bit 0: graphics mode; bits 2-3: 3 = B8000, 32K */

static struct {
	volatile uint16_t *screen;
	uint16_t copy[ROWS][COLUMNS];
	unsigned row, column;
	bool given; /* another driver has the screen */
} vga;

static void show_rows(unsigned from, unsigned to)
{
	for (unsigned r = from; r < to; r++)
		for (unsigned c = 0; c < COLUMNS; c++)
			vga.screen[r * COLUMNS + c] = vga.copy[r][c];
}

static void crtc_write16(uint8_t reg_high, uint16_t val)
{
	outb(CRTC_INDEX, reg_high);
	outb(CRTC_DATA, (uint8_t)(val >> 8));
	outb(CRTC_INDEX, (uint8_t)(reg_high + 1));
	outb(CRTC_DATA, (uint8_t)val);
}

static void blank_row(unsigned r)
{
	for (unsigned c = 0; c < COLUMNS; c++)
		vga.copy[r][c] = LIGHT_GREY | ' ';
}

static void new_line(void)
{
	vga.column = 0;
	if (++vga.row < ROWS) {
		crtc_write16(CRTC_CURSOR_HIGH, (uint16_t)(vga.row * COLUMNS));
		return;
	}
	vga.row = ROWS - 1;
	memmove(vga.copy[0], vga.copy[1], sizeof(vga.copy) - sizeof(vga.copy[0]));
	blank_row(ROWS - 1);
	show_rows(0, ROWS);
	crtc_write16(CRTC_CURSOR_HIGH, (uint16_t)(vga.row * COLUMNS));
}

/* Under the console's lock. */
static void put(char c)
{
	if (read_once(vga.given))
		return;
	switch (c) {
	case '\n':
		new_line();
		return;
	case '\r':
		vga.column = 0;
		return;
	case '\b':
		if (vga.column)
			vga.column--;
		return;
	case '\t':
		do
			put(' ');
		while (vga.column % 8);
		return;
	default:
		break;
	}
	if ((unsigned char)c < ' ')
		return;
	if (vga.column == COLUMNS)
		new_line();
	vga.copy[vga.row][vga.column] = LIGHT_GREY | (uint8_t)c;
	vga.screen[vga.row * COLUMNS + vga.column] = LIGHT_GREY | (uint8_t)c;
	vga.column++;
}

/* See hv/uart.h. */
void vga_hand_over(void)
{
	if (!vga.screen || param_list_bool("vga", "keep", false))
		return;
	printk(LOG_INFO, "The screen is the hardware domain's from here on; vga=keep keeps it\n");
	write_once(vga.given, true);
}

static bool text_mode(void)
{
	uint8_t misc;

	if (acpi_info.no_vga)
		return false;
	outb(GRAPHICS_INDEX, GRAPHICS_MISC);
	misc = inb(GRAPHICS_DATA);
	return misc != 0xff && !(misc & 1) && (misc & 0x0c) == 0x0c;
}

/* See hv/uart.h. The screen starts empty. */
const struct console_driver *vga_init(void)
{
	static const struct console_driver driver = { "vga", put };

	if (!text_mode())
		return NULL;
	vga.screen = arch_iomap(TEXT_BASE, ROWS * COLUMNS * 2);
	for (unsigned r = 0; r < ROWS; r++)
		blank_row(r);
	show_rows(0, ROWS);
	crtc_write16(CRTC_START_HIGH, 0);
	crtc_write16(CRTC_CURSOR_HIGH, 0);
	return &driver;
}
