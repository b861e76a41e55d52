#!/usr/bin/env python3
"""Compare abi/*.h with the distribution's public Xen headers (libxen-dev), compiler against compiler.

Every constant, structure size and member offset our headers declare is written into a probe that a compiler turns into
assembly with the values in it; nothing is linked or run, so -m32 needs no 32-bit libraries. The tables this writes are
what test_abi.c checks:
  1. constants and 64-bit layouts: ours against Xen's;
  2. structures named *_compat32: ours against Xen's compiled for 32 bits;
  3. structures handlers copy as they are, whatever the guest's width: ours against Xen's for 32 bits;
  4. layouts of hv/layouts.h: against the sizes and offsets of Xen's structures in both widths.
The reader understands the style our headers are written in, not C.
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
XEN = '''#define __XEN_TOOLS__ 1
#define __XEN_INTERFACE_VERSION__ 0x00040800
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/memory.h>
#include <xen/version.h>
#include <xen/features.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/hvm/dm_op.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/hypfs.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/elfnote.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>
'''

# In our headers only: E820 entries have no structure of Xen's, record codes are numbers hidden in Xen's macros, DOMID_* and
# 32-bit limits are ours by name.
OURS_ONLY = {'xen_e820_entry', 'HVM_SAVE_CODE_END', 'HVM_SAVE_CODE_HEADER', 'HVM_SAVE_CODE_CPU',
             'HVM_SAVE_CODE_IOAPIC', 'HVM_SAVE_CODE_LAPIC', 'HVM_SAVE_CODE_LAPIC_REGS', 'HVM_SAVE_CODE_MTRR', 'HVM_SAVE_CODE_TSC_ADJUST',
             'EVTCHN_2L_NR_CHANNELS_compat32', 'xen_reserved_device_memory_map.pci'}
# Names Xen 4.9 took from its version of the interface this is compiled with.
GONE = {'HVMOP_set_pci_intx_level', 'HVMOP_set_isa_irq_level', 'HVMOP_set_pci_link_route', 'HVMMEM_unused'}

# Hypercall structures without longs or handles: read and written as they are.
RAW = ['evtchn_alloc_unbound', 'evtchn_bind_interdomain', 'evtchn_bind_virq', 'evtchn_bind_pirq', 'evtchn_bind_ipi',
       'evtchn_close', 'evtchn_send', 'evtchn_status', 'evtchn_bind_vcpu', 'evtchn_unmask', 'evtchn_reset',
       'evtchn_init_control', 'evtchn_expand_array', 'evtchn_set_priority', 'evtchn_fifo_control_block',
       'grant_entry_v1', 'grant_entry_header', 'gnttab_query_size', 'gnttab_set_version', 'gnttab_get_version',
       'gnttab_swap_grant_ref', 'gnttab_dump_table', 'gnttab_map_grant_ref', 'sched_shutdown',
       'sched_remote_shutdown', 'sched_watchdog', 'sched_pin_override', 'vcpu_time_info', 'vcpu_register_vcpu_info',
       'vcpu_set_periodic_timer', 'vcpu_get_physid', 'vcpu_register_runstate_memory_area',
       'vcpu_register_time_memory_area', 'xen_memory_domain', 'xen_compile_info', 'xen_feature_info', 'xen_hvm_param',
       'xen_hvm_pagetable_dying', 'xen_hvm_get_time', 'xen_hvm_get_mem_type', 'xen_hvm_evtchn_upcall_vector',
       'hvm_start_info', 'hvm_modlist_entry', 'hvm_memmap_table_entry', 'xencons_interface', 'xsd_sockmsg',
       'xenstore_domain_interface', 'hvm_save_descriptor', 'hvm_save_header', 'hvm_hw_lapic', 'hvm_hw_vioapic', 'hvm_hw_lapic_regs',
       'hvm_hw_mtrr', 'hvm_hw_cpu_xsave', 'hvm_tsc_adjust', 'hvm_one_msr', 'vcpu_hvm_context', 'xenctl_bitmap',
       'xen_domctl', 'xen_domctl_createdomain', 'xen_domctl_getdomaininfo', 'xen_domctl_getpageframeinfo3',
       'xen_domctl_shadow_op', 'xen_domctl_vcpuaffinity', 'xen_domctl_scheduler_op', 'xen_domctl_schedparam_vcpu', 'xen_domctl_getvcpuinfo',
       'xen_domctl_iomem_permission', 'xen_domctl_hvmcontext', 'xen_domctl_hvmcontext_partial', 'xen_domctl_cpu_policy',
       'xen_domctl_tsc_info', 'xen_domctl_gdbsx_domstatus', 'xen_sysctl', 'xen_sysctl_readconsole', 'xen_sysctl_tbuf_op',
       'xen_sysctl_physinfo', 'xen_sysctl_getdomaininfolist', 'xen_sysctl_debug_keys', 'xen_sysctl_getcpuinfo',
       'xen_sysctl_availheap', 'xen_sysctl_get_pmstat', 'pm_cx_stat', 'xen_sysctl_cputopoinfo', 'xen_sysctl_numainfo',
       'xen_sysctl_meminfo', 'xen_sysctl_cpupool_op', 'xen_sysctl_scheduler_op', 'xen_sysctl_pcitopoinfo',
       'xen_sysctl_cpu_featureset', 'xen_sysctl_cpu_policy', 'hvm_hw_cpu']


def strip_comments(text):
    return re.sub(r'/\*.*?\*/', '', text, flags=re.S)


def constants(text):
    for m in re.finditer(r'^#define (\w+)[ \t]+(.+)$', text, re.M):
        if not m[1].endswith('_H') and m[1] not in ('packed',):
            yield m[1]


def enum_names(text):
    for body in re.findall(r'^enum \w+ \{(.*?)^\};', text, re.S | re.M):
        for m in re.finditer(r'^\s*(\w+)', body, re.M):
            yield m[1]


def members(body):
    """Paths of members of a structure's body, anonymous nesting by name of the member it declares."""
    stack, done = [[]], []
    for line in body.split('\n'):
        line = line.strip()
        if re.fullmatch(r'(struct|union) \{', line):
            stack.append([])
        elif m := re.fullmatch(r'\} (\w+);', line):
            inner = stack.pop()
            stack[-1] += [m[1]] + [f'{m[1]}.{x}' for x in inner]
        elif line.endswith(';'):
            names = line[:-1].split(',')
            names[0] = re.sub(r'^(struct |union |enum )?\w+ ', '', names[0].strip())
            stack[-1] += [re.sub(r'\[.*', '', n.strip()) for n in names]
    return stack[0]


def structures(text):
    for m in re.finditer(r'^(struct|union) (\w+) \{\n(.*?)^\}[^\n]*;', text, re.S | re.M):
        yield m[1], m[2], members(m[3])


def read_headers():
    consts, structs = [], []
    for header in sorted((ROOT / 'abi').glob('*.h')):
        text = strip_comments(header.read_text())
        if header.name in ('layout.h', 'hospes.h'):
            continue
        consts += list(constants(text)) + list(enum_names(text))
        structs += list(structures(text))
    return [c for c in consts if c not in OURS_ONLY | GONE], structs


def compile_facts(cc, prologue, facts, flags):
    """facts: name -> C expression; answers name -> value."""
    lines = [prologue, 'void probe(void)', '{']
    lines += [f'\tasm volatile("\\n# @@ {n} %0" :: "i" (({e})));' for n, e in facts.items()]
    src = '\n'.join(lines + ['}', ''])
    cmd = [cc, '-x', 'c', '-std=gnu17', '-ffreestanding', '-w', '-O1', '-S', '-o', '-', '-I', str(ROOT), *flags, '-']
    run = subprocess.run(cmd, input=src, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f'{" ".join(cmd)}:\n{run.stderr[:3000]}')
    found = dict(re.findall(r'^\s*# *@@ (\S+) \$?(-?\d+)', run.stdout, re.M))
    return {n: int(found[n]) for n in facts}


def layout_facts(structs, suffix=''):
    facts = {}
    for kind, name, paths in structs:
        if name in OURS_ONLY:
            continue
        facts[name] = f'sizeof({kind} {name}{suffix})'
        for p in paths:
            if not any((q := f'{name}.{p}') == o or q.startswith(o + '.') for o in OURS_ONLY):
                facts[f'{name}.{p}'] = f'offsetof({kind} {name}{suffix}, {p})'
    return facts


def write_facts(out, what, ours, theirs):
    """Rows of one kind of fact for test_abi.c."""
    for n in ours:
        out.write(f'{{ {what}, "{n}", {ours[n] % 2**64:#x}, {theirs[n] % 2**64:#x} }},\n')


def layout_table(f, cc, include):
    """For test_abi.c: of each string of hv/layouts.h, Xen's sizes and member offsets in both widths."""
    text = (ROOT / 'hv/include/hv/layouts.h').read_text()
    names = [n for n in re.findall(r'#define LAYOUT_(\w+) LAYOUT', text) if n not in ('ulong', 'int')]
    by_name = {n: (k, n, p) for k, n, p in read_headers()[1]}
    rows = []
    facts = {}
    for n in names:
        kind, _, paths = by_name[n]
        # Leaves only, one of each union: those whose place a letter of the string stands for.
        leaves = [p for p in paths if not any(q.startswith(p + '.') for q in paths)]
        if n == 'gnttab_copy':  # two members of the one structure that is nested
            leaves = [f'{s}.{f}' for s in ('source', 'dest') for f in ('u', 'domid', 'offset')] + leaves[-3:]
        if n == 'xen_add_to_physmap_batch':
            leaves.remove('u.res0')
        facts.update({f'{n}': f'sizeof({kind} {n})'})
        facts.update({f'{n}.{p}': f'offsetof({kind} {n}, {p})' for p in leaves})
        rows.append((n, leaves))
    x64 = compile_facts(cc, XEN, facts, ['-m64', *include])
    x32 = compile_facts(cc, XEN, facts, ['-m32', *include])
    for n, leaves in rows:
        where = ', '.join(f'{{ {x64[f"{n}.{p}"]}, {x32[f"{n}.{p}"]} }}' for p in leaves)
        f.write(f'{{ "{n}", LAYOUT_{n}, {x64[n]}, {x32[n]}, {len(leaves)}, {{ {where} }} }},\n')


def fact_table(f, cc, include):
    """For test_abi.c: what our headers and what Xen's make of every name."""
    consts, structs = read_headers()
    ours = ''.join(f'#include "abi/{h.name}"\n' for h in sorted((ROOT / 'abi').glob('*.h')))
    plain = [s for s in structs if not s[1].endswith('_compat32')]
    narrow = [(k, n.removesuffix('_compat32'), p) for k, n, p in structs if n.endswith('_compat32')]
    raw = [s for s in structs if s[1] in RAW]
    missing = set(RAW) - {s[1] for s in raw}
    if missing:
        sys.exit(f'not found in abi/: {missing}')

    def both(what, facts, xen_facts, width):
        write_facts(f, what, compile_facts(cc, ours, facts, ['-m64']),
                    compile_facts(cc, XEN, xen_facts, [width, *include]))

    cf = {c: f'(long long)({c})' for c in consts}
    both('CONSTANT', cf, cf, '-m64')
    both('LAYOUT64', layout_facts(plain), layout_facts(plain), '-m64')
    both('SHARED32', layout_facts(narrow, '_compat32'), layout_facts(narrow), '-m32')
    both('RAW32', layout_facts(raw), layout_facts(raw), '-m32')


def main():
    ap = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    ap.add_argument('--cc', default='gcc')
    ap.add_argument('table', choices=['facts', 'layouts'])
    ap.add_argument('output')
    args = ap.parse_args()
    # clang looks for the headers of its -m32 only beside itself; Xen's are after those.
    include = ['-idirafter', '/usr/include'] if 'clang' in args.cc else []
    with open(args.output + '.tmp', 'w', encoding='ascii') as f:
        f.write("/* Generated by tests/abi/facts.py from the distribution's headers. */\n")
        (fact_table if args.table == 'facts' else layout_table)(f, args.cc, include)
    Path(args.output + '.tmp').rename(args.output)


if __name__ == '__main__':
    main()
