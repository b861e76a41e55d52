/*
 * First instructions. The loader leaves us in 32-bit protected mode, paging off, at IMAGE_PHYS (multiboot 0.6.96 3.2, multiboot2 3.3,
 * PVH boot ABI). We map ourselves and go to 64-bit mode:
 *
 *   0 .. 4 GiB			one to one (dropped by paging_init)
 *   DIRECTMAP_START + 0..4 GiB	the same
 *   IMAGE_START + 0..2 MiB	the image
 */
#include "asm/desc.h"

#define IMAGE_START 0xffff82d040000000
#define DIRECTMAP_START 0xffff830000000000
#define IMAGE_PHYS 0x200000
#define pa(sym) ((sym) - IMAGE_START + IMAGE_PHYS)

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x3 /* page-aligned modules, memory information */
#define MB2_MAGIC 0xe85250d6

#define L4_SLOT(va) (((va) >> 39) & 511)
#define L3_SLOT(va) (((va) >> 30) & 511)

	.section .head, "ax", @progbits
	.code32
	/* Offsets 0 and 16 are the entry points image.S names. */
	.globl head_start
head_start:
	jmp loader_entry
	.balign 16, 0x90
	jmp pvh_entry

	.balign 16, 0
	.long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)

	.balign 8, 0
mb2_header:
	.long MB2_MAGIC, 0, mb2_end - mb2_header, 0x100000000 - MB2_MAGIC - (mb2_end - mb2_header)
	/* Information request: command line, loader name, modules, memory map; ACPI tags come unasked. */
	.short 1, 0
	.long 24, 1, 2, 3, 6
	/* Modules on page boundaries. */
	.balign 8, 0
	.short 6, 0
	.long 8
	.balign 8, 0
	.short 0, 0
	.long 8
mb2_end:

pvh_entry:
	movl $0x336ec578, %eax /* start info's own magic: C finds it there again */
loader_entry:
	cli
	cld
	movl %eax, %ebp
	movl %ebx, %esi
	movl $pa(boot_stack_top), %esp
	lgdt pa(gdt32_ptr)
	ljmp $SEL_CODE32, $pa(1f)
1:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss

	/* Zero .bss ourselves: a loader may have put only the file's bytes. The early stack lies in it and is still unused. */
	movl $pa(__bss_start), %edi
	movl $pa(__bss_end), %ecx
	subl %edi, %ecx
	shrl $2, %ecx
	xorl %eax, %eax
	rep stosl

	/* A processor without long mode gets one sentence on the first serial port and the screen. */
	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb no_long_mode
	movl $0x80000001, %eax
	cpuid
	btl $29, %edx
	jnc no_long_mode
	movl %edx, %edi /* bit 20: NX */

	/* Four page directories of 2 MiB pages. */
	movl $pa(early_l2), %ebx
	movl $0x83, %eax
	movl $2048, %ecx
1:	movl %eax, (%ebx)
	addl $8, %ebx
	addl $0x200000, %eax
	loop 1b

	movl $pa(early_l2) + 3, %eax
	movl %eax, pa(early_l3)
	addl $0x1000, %eax
	movl %eax, pa(early_l3) + 8
	addl $0x1000, %eax
	movl %eax, pa(early_l3) + 16
	addl $0x1000, %eax
	movl %eax, pa(early_l3) + 24
	movl $pa(early_l3) + 3, pa(early_l4)
	movl $pa(early_l3) + 3, pa(early_l4) + L4_SLOT(DIRECTMAP_START) * 8
	movl $pa(early_image_l3) + 3, pa(early_l4) + L4_SLOT(IMAGE_START) * 8
	movl $pa(early_image_l2) + 3, pa(early_image_l3) + L3_SLOT(IMAGE_START) * 8
	movl $IMAGE_PHYS + 0x83, pa(early_image_l2)

	movl %cr4, %eax
	orl $0xa0, %eax /* PAE, PGE */
	movl %eax, %cr4
	movl $pa(early_l4), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax /* LME */
	btl $20, %edi
	jnc 1f
	orl $0x800, %eax /* NXE */
1:	wrmsr
	movl %cr0, %eax
	andl $0x9ffffff3, %eax /* caches on, no EM, no TS-by-default MP */
	orl $0x80010023, %eax  /* PG WP NE MP PE */
	movl %eax, %cr0
	ljmp $SEL_CODE64, $pa(start64_low)

no_long_mode:
	movl $pa(no_long_mode_text), %esi
	movl $0xb8000, %edi
1:	lodsb
	testb %al, %al
	jz 2f
	movb %al, (%edi)
	movb $0x07, 1(%edi)
	addl $2, %edi
	movb %al, %bl
	movl $0x10000, %ecx
3:	movw $0x3fd, %dx
	inb %dx, %al
	testb $0x20, %al
	loopz 3b
	movb %bl, %al
	movw $0x3f8, %dx
	outb %al, %dx
	jmp 1b
2:	hlt
	jmp 2b

no_long_mode_text:
	.asciz "Hospes needs a 64-bit processor.\r\n"

	.balign 8, 0
gdt32:
	.quad 0
	.quad 0x00af9b000000ffff /* 64-bit code */
	.quad 0x00cf93000000ffff /* data */
	.quad 0x00cf9b000000ffff /* 32-bit code */
gdt32_ptr:
	.short . - gdt32 - 1
	.long pa(gdt32)

	.code64
start64_low:
	movabsq $1f, %rax
	jmpq *%rax
	.text
1:
	lea boot_stack_top(%rip), %rsp
	movl %ebp, %edi
	movl %esi, %esi
	xorl %ebp, %ebp
	pushq $0
	pushq $0
	call start_hv
	ud2

	/* stack_switch(stack_top, fn): go on there, leaving nothing of the old stack in use. */
	.globl stack_switch
	.type stack_switch, @function
stack_switch:
	movq %rdi, %rsp
	xorl %ebp, %ebp
	pushq $0
	pushq $0
	call *%rsi
	ud2
	.size stack_switch, . - stack_switch

	.section .bss.page_aligned, "aw", @nobits
	.balign 4096
	.globl early_l4, early_l3, boot_stack, boot_stack_top
early_l4:
	.skip 4096
early_l3:
	.skip 4096
early_l2:
	.skip 4 * 4096
early_image_l3:
	.skip 4096
early_image_l2:
	.skip 4096
boot_stack:
	.skip 16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
