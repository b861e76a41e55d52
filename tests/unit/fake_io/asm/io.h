/* Ports of a machine that a test plays. */
#ifndef ASM_IO_H
#define ASM_IO_H

#include "hv/types.h"

uint8_t inb(uint16_t port);
uint16_t inw(uint16_t port);
uint32_t inl(uint16_t port);
void outb(uint16_t port, uint8_t v);
void outw(uint16_t port, uint16_t v);
void outl(uint16_t port, uint32_t v);

#endif
