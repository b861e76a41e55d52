/* Exception table: instructions of Hospes that may fault, and where to go on instead. Searched by traps.c. */
#ifndef ASM_EXTABLE_H
#define ASM_EXTABLE_H

/* In inline assembly: a fault at label @insn continues at label @to. Entries are offsets from themselves, so read-only data needs no relocation. */
#define EXTABLE(insn, to) \
	"\n\t.pushsection .ex_table, \"a\"\n\t.balign 4\n\t.long " #insn " - .\n\t.long " #to " - .\n\t.popsection\n\t"

#endif
