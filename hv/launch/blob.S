/* The in-guest loader's ELF file, carried inside the image. */
	.section .rodata.loader, "a"
	.balign 16
	.globl loader_blob, loader_blob_end
	.hidden loader_blob, loader_blob_end
loader_blob:
	.incbin "loader.elf"
loader_blob_end:
