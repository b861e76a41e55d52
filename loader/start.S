/*
 * Entry of the in-guest loader: from the PVH entry state (32-bit flat, paging off, ebx = struct loader_info) to C in
 * long mode with SSE on, 4 GiB mapped one to one and an FS block for the libraries' stack canary.
 */
	.section .note.xen, "a", @note
	.long 4, 4, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long loader_start

	.section .text.start, "ax"
	.code32
	.globl loader_start
loader_start:
	cld
	movl $stack_top, %esp

	/* Page directories: 2048 entries of 2 MiB. */
	movl $page_dirs, %edi
	movl $0x83, %eax		/* present, writable, large */
	xorl %edx, %edx
	movl $2048, %ecx
1:	movl %eax, (%edi)
	movl %edx, 4(%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b
	/* Four directory pointers, one top entry. */
	movl $page_dirs + 3, %eax
	movl $page_pdpt, %edi
	movl $4, %ecx
2:	movl %eax, (%edi)
	addl $0x1000, %eax
	addl $8, %edi
	loop 2b
	movl $page_pdpt + 3, page_top

	movl %cr4, %eax
	orl $0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	movl %eax, %cr4
	movl $page_top, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	andl $~0xc, %eax		/* TS and EM off */
	orl $0x80000002, %eax		/* PG, MP */
	movl %eax, %cr0
	lgdt gdt_descriptor
	ljmp $8, $long_mode

	.code64
long_mode:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	leaq fs_block(%rip), %rax
	movq %rax, %rdx
	shrq $32, %rdx
	movl $0xc0000100, %ecx		/* FS base */
	wrmsr
	movl $stack_top, %esp
	movl %ebx, %edi
	call loader_main
3:	hlt
	jmp 3b

	.section .rodata
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 64-bit code */
	.quad 0x00cf93000000ffff	/* data */
gdt_descriptor:
	.word . - gdt - 1
	.long gdt

	.section .bss
	.balign 4096
page_dirs:
	.skip 4 * 4096
page_pdpt:
	.skip 4096
page_top:
	.skip 4096
	.skip 64 * 1024
stack_top:
fs_block:
	.skip 256
