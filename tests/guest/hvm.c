/* hvm_op: parameters by index, upcall vectors, memory types, what belongs to the toolstack. */
#include "lib/ops.h"

void guest_main(void)
{
	struct hvm_param p = { SELF, 0, 0, 0 };
	struct {
		uint32_t vcpu;
		uint8_t vector;
	} v = { 0, 0x50 };
	struct {
		uint16_t dom, type, pad[2];
		uint64_t pfn;
	} t = { SELF, 0xffff, { 0, 0 }, 0 };

	for (unsigned i = 0; i < 42; i++) {
		long rc;

		p.index = i;
		p.value = 0x5a5a;
		rc = hvm_op(1, &p);
		showf(rc, "get %u", i);
		/* Where the rings lie, their ports, and the toolstack's choices of timers are not the hypervisor's. */
		if (!rc && i != 1 && i != 2 && i != 5 && i != 6 && i != 10 && i != 12 && (i < 17 || i > 18) &&
		    (i < 27 || i > 29))
			say("value %u: %lx %lx\n", i, (unsigned long)(p.value >> 32), (unsigned long)(uint32_t)p.value);
		else
			say("value %u %s\n", i, p.value == 0x5a5a ? "untouched" : p.value ? "set" : "zero");
	}
	for (unsigned i = 0; i < 42; i++) {
		/* A VM86 TSS of no size (37) ends the domain. */
		if (i == 0 || i == 12 || i == 37)
			continue;
		p.index = i;
		p.value = 0;
		showf(hvm_op(0, &p), "set %u", i);
	}
	p.index = ~0u;
	show("get -1", hvm_op(1, &p));
	show("set -1", hvm_op(0, &p));
	p.index = 0;
	p.dom = other_domain();
	show("get of domain 0", hvm_op(1, &p));
	show("set of domain 0", hvm_op(0, &p));
	p.dom = 0x1234;
	show("get of nobody", hvm_op(1, &p));
	p.dom = SELF;
	for (unsigned type = 0; type < 6; type++) {
		p.value = (uint64_t)type << 56 | 1;
		if (type == 2)
			p.value |= 0x50;
		if (type == 1)
			p.value = (uint64_t)type << 56;
		showf(hvm_op(0, &p), "callback type %u", type);
		if (type == 0)
			continue;
		p.value = 0;
		hvm_op(1, &p);
		say("callback reads %x\n", (unsigned)(p.value >> 56));
	}
	p.value = 0;
	show("callback off", hvm_op(0, &p));

	apic_enable();
	show("upcall vector", hvm_op(23, &v));
	v.vector = 15;
	show("upcall vector 15", hvm_op(23, &v));
	v.vector = 16;
	show("upcall vector 16", hvm_op(23, &v));
	v.vector = 255;
	show("upcall vector 255", hvm_op(23, &v));
	v.vector = 0;
	show("upcall vector 0", hvm_op(23, &v));
	v.vector = 0x50;
	v.vcpu = 1;
	show("upcall vector of vCPU 1", hvm_op(23, &v));
	v.vcpu = ~0u;
	show("upcall vector of vCPU -1", hvm_op(23, &v));

	t.pfn = 0x100;
	show("get_mem_type of RAM", hvm_op(15, &t));
	say("type %u\n", t.type);
	t.pfn = 0xd0000;
	show("get_mem_type of nothing", hvm_op(15, &t));
	say("type %u\n", t.type);
	t.pfn = ~0ull;
	show("get_mem_type of gfn -1", hvm_op(15, &t));
	say("type %u\n", t.type);
	t.dom = other_domain();
	show("get_mem_type of domain 0", hvm_op(15, &t));
	t.dom = 0x1234;
	show("get_mem_type of nobody", hvm_op(15, &t));

	for (unsigned op = 2; op < 28; op++)
		if (op != 15 && op != 16 && op != 5 && op != 20)
			showf(hvm_op(op, NOWHERE), "op %u nowhere", op);
	show("get nowhere", hvm_op(1, NOWHERE));
	show("set nowhere", hvm_op(0, NOWHERE));
	show("get unmapped", hvm_op(1, UNMAPPED));
	show("op -1", hvm_op(~0u, NOWHERE));
}
