/*
 * A plugin of QEMU that counts executed instructions, those of the hypervisor apart from those of its guests.
 *
 * The hypervisor's are those in the addresses that Xen's ABI keeps for itself, top-level slots 256 to 271 (public/arch-x86/xen-x86_64.h): no kernel
 * has code there, and both hypervisors have all of theirs there once they left their first few pages. The rule is the same for both. What runs
 * elsewhere is firmware and loader until the first VMRUN, and guests from then on.
 *
 * A marker is the instruction `nopl 0x4853NNNN(%rax)` at any privilege in any guest: it costs one instruction, makes no exit, and this plugin
 * appends the line "MARK NNNN hypervisor guests before entries calls" to its file: all counts since power-on, the last two of VMRUNs and of guests' VMMCALLs.
 * Each instruction adds 1 when it begins. So one that faults and is tried again counts twice, one that is intercepted counts although the clock of
 * -icount does not go on for it, and each iteration of a string instruction counts.
 *
 * Calls are the hypercalls of all guests, by which a kernel runs and those of tools alike: which one it is stands in a register, which plugins cannot read.
 *
 * Arguments: out=FILE. entry=ADDRESS, any number of times: what a guest executes there first is a marker too, 0xfffe, once after each other marker.
 * With profile=FILE, that one gets at each marker "ADDRESS COUNT" for each instruction of the hypervisor that ran since the marker
 * before, and "MARK NNNN".
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The interface of plugins, version 1, as docs/devel/tcg-plugins.rst of QEMU describes it. Debian ships no header of it. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { INLINE_ADD_U64 = 0, CB_NO_REGS = 0 };
__attribute__((visibility("default"))) extern int qemu_plugin_version;
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
							       char **argv);
typedef void tb_trans_fn(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void udata_fn(unsigned int vcpu, void *data);
typedef void atexit_fn(qemu_plugin_id_t id, void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_fn *fn);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, atexit_fn *fn, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, udata_fn *fn, int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *counter, uint64_t n);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

int qemu_plugin_version = 1;

#define RESERVED_FIRST UINT64_C(0xffff800000000000)
#define RESERVED_LAST UINT64_C(0xffff87ffffffffff)
#define MARK_HIGH 0x4853u
#define MARK_ENTRY 0xfffeu /* a guest is at one of the addresses asked for */
#define MARK_END 0xffffu   /* QEMU has ended */
#define MAX_ENTRIES 4u

/* One for each instruction of the hypervisor, for as long as QEMU runs. */
struct site {
	uint64_t address, count;
	struct site *next;
};
#define BUCKETS (1u << 16)

static struct {
	uint64_t hypervisor, elsewhere, entries, calls;
	uint64_t before; /* of elsewhere: until the first entry */
	FILE *out, *profile;
	uint64_t entry[MAX_ENTRIES];
	unsigned nr_entry;
	bool entered; /* since the last marker */
	struct site *sites[BUCKETS];
} state;

static struct site *site_of(uint64_t address)
{
	struct site **at = &state.sites[(address ^ address >> 16) % BUCKETS], *new;

	for (struct site *s = *at; s; s = s->next)
		if (s->address == address)
			return s;
	new = calloc(1, sizeof(*new));
	if (!new)
		abort();
	new->address = address;
	new->next = *at;
	*at = new;
	return new;
}

static void write_sites(unsigned mark)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct site *s = state.sites[i]; s; s = s->next) {
			if (s->count)
				fprintf(state.profile, "%" PRIx64 " %" PRIu64 "\n", s->address, s->count);
			s->count = 0;
		}
	fprintf(state.profile, "MARK %u\n", mark);
	fflush(state.profile);
}

static void on_mark(unsigned int vcpu, void *data)
{
	unsigned mark = (unsigned)(uintptr_t)data;
	uint64_t guests = state.entries ? state.elsewhere - state.before : 0;

	(void)vcpu;
	if (mark == MARK_ENTRY && state.entered)
		return;
	state.entered = mark == MARK_ENTRY;
	fprintf(state.out, "MARK %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", mark,
		state.hypervisor, guests, state.elsewhere - guests, state.entries, state.calls);
	fflush(state.out);
	if (state.profile)
		write_sites(mark);
}

static void on_entry(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	if (state.entries++ == 0)
		state.before = state.elsewhere;
}

static bool is_vmrun(const uint8_t *code, size_t n)
{
	return n == 3 && code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xd8;
}

/* nopl disp32(%rax): 0f 1f 80 and the displacement. */
static bool is_mark(const uint8_t *code, size_t n, unsigned *mark)
{
	if (n != 7 || code[0] != 0x0f || code[1] != 0x1f || code[2] != 0x80 || (code[5] | code[6] << 8) != MARK_HIGH)
		return false;
	*mark = (unsigned)(code[3] | code[4] << 8);
	return true;
}

static bool is_vmmcall(const uint8_t *code, size_t n)
{
	return n == 3 && code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xd9;
}

static bool is_asked_for(uint64_t address)
{
	for (unsigned i = 0; i < state.nr_entry; i++)
		if (state.entry[i] == address)
			return true;
	return false;
}

/* What is counted or told when an instruction of a guest runs. */
static void watch_guest(struct qemu_plugin_insn *insn)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	const uint8_t *code = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);
	unsigned mark;

	if (is_mark(code, size, &mark))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, CB_NO_REGS, (void *)(uintptr_t)mark);
	else if (is_vmmcall(code, size))
		qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &state.calls, 1);
	if (is_asked_for(address))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, CB_NO_REGS, (void *)(uintptr_t)MARK_ENTRY);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		bool ours = address >= RESERVED_FIRST && address <= RESERVED_LAST;

		qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64,
							   ours ? &state.hypervisor : &state.elsewhere, 1);
		if (ours && state.profile)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &site_of(address)->count, 1);
		if (!ours)
			watch_guest(insn);
		else if (is_vmrun(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_entry, CB_NO_REGS, NULL);
	}
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	on_mark(0, (void *)(uintptr_t)MARK_END);
}

/* 0, or -1 and a line on standard error. */
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			state.out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "profile=", 8))
			state.profile = fopen(argv[i] + 8, "w");
		else if (!strncmp(argv[i], "entry=", 6) && state.nr_entry < MAX_ENTRIES)
			state.entry[state.nr_entry++] = strtoull(argv[i] + 6, NULL, 16);
	}
	if (!state.out) {
		fprintf(stderr, "count: needs out=FILE that can be written\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
