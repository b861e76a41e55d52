/*
 * Where a CPU begins after STARTUP: real mode, CS = page * 0x100, IP 0 (MultiProcessor specification B.4.2). smp.c copies these bytes to a
 * page below 1 MiB and fills in the fields at the end.
 */
#include "asm/desc.h"

#define OFF(sym) (sym - trampoline_start)

	.section .rodata.trampoline, "a"
	.balign 16
	.globl trampoline_start, trampoline_end
	.hidden trampoline_start, trampoline_end
	.code16
trampoline_start:
	jmp 1f
	.balign 8
	/* struct trampoline_fields in smp.c */
fields:
gdt_ptr:
	.short 31
	.long 0 /* physical address of the GDT below */
	.short 0
far32:
	.long 0
	.short SEL_CODE32, 0
far64:
	.long 0
	.short SEL_CODE64, 0
cr3_value:
	.long 0
efer_value:
	.long 0
stack_value:
	.quad 0
entry_value:
	.quad 0
argument_value:
	.quad 0
gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00cf9b000000ffff
1:
	cli
	cld
	xorl %ebx, %ebx
	movw %cs, %bx
	movw %bx, %ds
	shll $4, %ebx
	lgdtl OFF(gdt_ptr)
	movl %cr0, %eax
	andl $0x9fffffff, %eax /* caches on */
	orl $1, %eax
	movl %eax, %cr0
	ljmpl *OFF(far32)

	.code32
	.globl trampoline_32, trampoline_64
	.hidden trampoline_32, trampoline_64
trampoline_32:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $0xa0, %eax /* PAE, PGE */
	movl %eax, %cr4
	movl OFF(cr3_value)(%ebx), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	movl OFF(efer_value)(%ebx), %eax
	xorl %edx, %edx
	wrmsr
	movl $0x80010033, %eax /* PG WP NE ET MP PE */
	movl %eax, %cr0
	ljmpl *OFF(far64)(%ebx)

	.code64
trampoline_64:
	movq OFF(stack_value)(%rbx), %rsp
	movq OFF(argument_value)(%rbx), %rdi
	movq OFF(entry_value)(%rbx), %rax
	xorl %ebp, %ebp
	pushq $0
	jmpq *%rax
trampoline_end:

	.section .note.GNU-stack, "", @progbits
