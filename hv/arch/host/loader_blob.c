/*
 * What the fake machine carries in place of the in-guest loader: the smallest ELF file the builder accepts, with one byte of
 * text at LOADER_BASE and a PVH entry note. It is never run.
 */
asm(".section .rodata\n"
    ".balign 16\n"
    ".globl loader_blob, loader_blob_end\n"
    "loader_blob:\n"
    "	.byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0\n"
    "	.quad 0\n"
    "	.short 2, 62\n" /* ET_EXEC, EM_X86_64 */
    "	.long 1\n"
    "	.quad 0xf0000000, 64, 0\n" /* entry, program headers, no sections */
    "	.long 0\n"
    "	.short 64, 56, 2, 0, 0, 0\n"
    "	.long 1, 7\n" /* PT_LOAD */
    "	.quad 176, 0xf0000000, 0xf0000000, 1, 4096, 4096\n"
    "	.long 4, 4\n" /* PT_NOTE */
    "	.quad 180, 0, 0, 20, 20, 4\n"
    "	.byte 0xf4, 0, 0, 0\n"
    "	.long 4, 4, 18\n"
    "	.asciz \"Xen\"\n"
    "	.long 0xf0000000\n"
    "loader_blob_end:\n"
    ".previous\n");
