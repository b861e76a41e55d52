/*
 * Entry of a micro-guest. Built twice: for 32 bits it stays in flat protected mode with paging off, for 64 bits it maps the
 * first 4 GiB one to one (2 MiB pages) and enters long mode.
 */
	.section .note.xen, "a", @note
	.long 4, 4, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start

	.section .text.start, "ax"
	.code32
	.globl start
start:
	cld
	movl $stack_top, %esp
	movl %ebx, boot_start_info
#ifdef __x86_64__
	movl $page_dirs, %edi
	movl $0x83, %eax
	xorl %edx, %edx
	movl $2048, %ecx
1:	movl %eax, (%edi)
	movl %edx, 4(%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b
	movl $page_dirs + 3, %eax
	movl $page_pdpt, %edi
	movl $4, %ecx
2:	movl %eax, (%edi)
	addl $0x1000, %eax
	addl $8, %edi
	loop 2b
	movl $page_pdpt + 3, page_top
#endif
	call enter_mode
	.globl mode_done
#ifdef __x86_64__
	.code64
#endif
mode_done:
#ifdef __x86_64__
	movl boot_start_info(%rip), %edi
#else
	pushl boot_start_info
#endif
	call guest_boot
3:	hlt
	jmp 3b

/* From flat 32-bit code to this build's mode, keeping the stack; used by application processors too. */
	.code32
	.globl enter_mode
enter_mode:
	lgdt gdt_descriptor
#ifdef __x86_64__
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $page_top, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax
	movl %eax, %cr0
	popl %edx
	ljmp $24, $4f
	.code64
4:	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %edx, %edx
	jmp *%rdx
#else
	ljmp $8, $4f
4:	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	ret
#endif

/* Interrupt stubs: push vector (and a zero where the CPU pushes no error code), save all, call C. */
	.section .text.stubs, "ax"
	.balign 16
	.globl vector_stubs
vector_stubs:
vector = 0
	.rept 256
	.balign 16
	.if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
	.else
	push $0
	.endif
	push $vector
	jmp vector_common
vector = vector + 1
	.endr

vector_common:
#ifdef __x86_64__
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	movq %rsp, %rdi
	cld
	call vector_entry
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq
#else
	pusha
	pushl %esp
	cld
	call vector_entry
	addl $4, %esp
	popa
	addl $8, %esp
	iret
#endif

/* Application processors: real-mode entry copied below 1 MiB by smp_start(). */
	.section .rodata.trampoline, "a"
	.globl trampoline, trampoline_end
	.code16
trampoline:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl (0x8000 + tramp_gdt_descriptor - trampoline)
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $8, $ap_entry
	.balign 8
tramp_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
tramp_gdt_descriptor:
	.word . - tramp_gdt - 1
	.long 0x8000 + tramp_gdt - trampoline
trampoline_end:

	.text
	.code32
ap_entry:
	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl ap_stack, %esp
	call enter_mode
#ifdef __x86_64__
	.code64
#endif
	call ap_boot
5:	hlt
	jmp 5b

	.section .rodata
	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 8: 32-bit code */
	.quad 0x00cf93000000ffff	/* 16: data */
	.quad 0x00af9b000000ffff	/* 24: 64-bit code */
gdt_descriptor:
	.word . - gdt - 1
	.long gdt

	.section .bss
	.balign 4096
#ifdef __x86_64__
	.globl page_dirs
page_dirs:
	.skip 4 * 4096
page_pdpt:
	.skip 4096
	.globl page_top
page_top:
	.skip 4096
#endif
	.skip 16384
stack_top:
	.globl boot_start_info, ap_stack
boot_start_info:
	.skip 8
ap_stack:
	.skip 8
	.section .note.GNU-stack, "", @progbits
