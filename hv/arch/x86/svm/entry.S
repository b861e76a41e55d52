/*
 * void svm_enter(uint64_t vmcb_pa, struct guest_regs *regs, uint64_t host_pa);
 *
 * One world switch, with GIF clear before and after. VMRUN swaps what the control block and the host save area hold; VMLOAD and
 * VMSAVE the rest (FS, GS, TR, LDTR, syscall MSRs): ours wait in @host_pa. rax and rsp of the guest live in the control block.
 * AMD APM vol. 2, 15.5.
 */
	.text
	.globl svm_enter
	.hidden svm_enter
	.type svm_enter, @function
svm_enter:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdx
	pushq %rsi
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
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.size svm_enter, . - svm_enter
	.section .note.GNU-stack, "", @progbits
