/*
 * The file boot loaders see: the flat image wrapped as a 32-bit ELF, because QEMU and GRUB's multiboot want one. Its memory size covers .bss,
 * so no module is put there.
 */
	.section .image, "awx", @progbits
	.globl image_start
image_start:
	.incbin HOSPES_FLAT
	.section .image_bss, "aw", @nobits
	.skip HOSPES_BSS

	/* XEN_ELFNOTE_PHYS32_ENTRY: 32-bit entry point of the PVH boot ABI. */
	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18
	.asciz "Xen"
	.long image_start + 16
	.section .note.GNU-stack, "", @progbits
