/*
 * void svm_enter(uint64_t vmcb_pa, struct guest_regs *regs, uint64_t host_pa);
 * void svm_enter_guarded(uint64_t vmcb_pa, struct guest_regs *regs, uint64_t host_pa, uint32_t guards);
 *
 * One world switch, with GIF clear before and after. VMRUN swaps what the control block and the host save area hold; VMLOAD and
 * VMSAVE the rest (FS, GS, TR, LDTR, syscall MSRs): ours wait in @host_pa. rax and rsp of the guest live in the control block.
 * AMD APM vol. 2, 15.5.
 *
 * The guarded one does what errata.h says beside. No return and no indirect branch comes between the exit and its guards.
 */
#include "asm/desc.h"
#include "errata.h"

#define MSR_PRED_CMD 0x49
#define PRED_CMD_IBPB 1
#define RETURN_STACK 32 /* entries, of any model */

	.macro swap_worlds
	movq %rdi, %rax
	movq 1*8(%rsi), %rcx
	movq 2*8(%rsi), %rdx
	movq 3*8(%rsi), %rbx
	movq 5*8(%rsi), %rbp
	movq 7*8(%rsi), %rdi
	movq 8*8(%rsi), %r8
	movq 9*8(%rsi), %r9
	movq 10*8(%rsi), %r10
	movq 11*8(%rsi), %r11
	movq 12*8(%rsi), %r12
	movq 13*8(%rsi), %r13
	movq 14*8(%rsi), %r14
	movq 15*8(%rsi), %r15
	movq 6*8(%rsi), %rsi
	vmload
	vmrun
	vmsave
	pushq %rdi
	movq 8(%rsp), %rdi
	movq %rcx, 1*8(%rdi)
	movq %rdx, 2*8(%rdi)
	movq %rbx, 3*8(%rdi)
	movq %rbp, 5*8(%rdi)
	movq %rsi, 6*8(%rdi)
	popq 7*8(%rdi)
	movq %r8, 8*8(%rdi)
	movq %r9, 9*8(%rdi)
	movq %r10, 10*8(%rdi)
	movq %r11, 11*8(%rdi)
	movq %r12, 12*8(%rdi)
	movq %r13, 13*8(%rdi)
	movq %r14, 14*8(%rdi)
	movq %r15, 15*8(%rdi)
	popq %rsi
	popq %rax
	vmload
	.endm

	.macro save_own
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm

	.macro restore_own
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	.endm

	.text
	.globl svm_enter, svm_enter_guarded
	.hidden svm_enter, svm_enter_guarded
	.type svm_enter, @function
svm_enter:
	save_own
	pushq %rdx
	pushq %rsi
	swap_worlds
	restore_own
	ret
	.size svm_enter, . - svm_enter

	.type svm_enter_guarded, @function
svm_enter_guarded:
	save_own
	pushq %rcx
	pushq %rdx
	pushq %rsi
	testl $GUARD_DIVIDER, %ecx
	jz 1f
	movl $1, %eax
	xorl %edx, %edx
	divl %eax
1:	testl $GUARD_BUFFERS, %ecx
	jz 2f
	verw verw_selector(%rip)
2:	swap_worlds
	popq %r8
	testl $GUARD_BRANCHES, %r8d
	jz 3f
	movl $MSR_PRED_CMD, %ecx
	movl $PRED_CMD_IBPB, %eax
	xorl %edx, %edx
	wrmsr
	jmp 4f
3:	lfence /* whoever comes here by a wrong guess waits */
	/* The barrier leaves return addresses alone on most models. Twice 16 calls that never return put harmless ones there. */
4:	movl $RETURN_STACK / 2, %ecx
5:	call 7f
6:	pause
	lfence
	jmp 6b
7:	call 9f
8:	pause
	lfence
	jmp 8b
9:	subl $1, %ecx
	jnz 5b
	addq $RETURN_STACK * 8, %rsp
	lfence
	/* Nothing of the guest stays in a register for a wrong guess to use. */
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %edi, %edi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	restore_own
	ret
	.size svm_enter_guarded, . - svm_enter_guarded

	.section .rodata, "a"
verw_selector:
	.word SEL_DATA

	.section .note.GNU-stack, "", @progbits
