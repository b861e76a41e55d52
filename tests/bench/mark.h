/* A marker that count.c sees: one instruction, nopl of a given address, that does nothing and makes no exit at any privilege. @n: a constant up to 0xfffd. */
#ifndef MARK_H
#define MARK_H

#define MARK_HIGH 0x4853
#define MARK(n) asm volatile(".byte 0x0f, 0x1f, 0x80; .long %c0" : : "i"(MARK_HIGH << 16 | (n)) : "memory")

#endif
