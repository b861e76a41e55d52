/*
 * Library of the micro-guests: bare-metal PVH programs that make hypercalls and print what came back. One source, two
 * builds (32-bit flat, 64-bit), and two hypervisors: the same image runs on Hospes and on Debian's Xen, and what it prints must be the same.
 * So print nothing that may differ by nature (times, addresses of the host, domain ids).
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall_nr.h"

/* A guest is this function. Returning powers the domain off. */
void guest_main(void);

/* printf onto port E9: %d %u %x %ld %lu %lx %s %c %p. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* One checked fact: prints "ok what" or "WRONG what: got X, want Y". */
void check_eq(const char *what, long got, long want);
/* Prints "what: value" with errno names for small negatives: for comparison between hypervisors. */
void show(const char *what, long value);
/* The same with a formatted label. */
void showf(long value, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

long hypercall(unsigned nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e);
#define hypercall1(nr, a) hypercall(nr, (unsigned long)(a), 0, 0, 0, 0)
#define hypercall2(nr, a, b) hypercall(nr, (unsigned long)(a), (unsigned long)(b), 0, 0, 0)
#define hypercall3(nr, a, b, c) hypercall(nr, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), 0, 0)

/* End this domain; SHUTDOWN_* of sched_op. */
void shut_down(unsigned reason) __attribute__((noreturn));

struct cpuid {
	uint32_t a, b, c, d;
};
struct cpuid cpuid(uint32_t leaf, uint32_t sub);
uint64_t rdmsr(uint32_t msr);
void wrmsr(uint32_t msr, uint64_t val);
/* false if it raised #GP. */
bool rdmsr_safe(uint32_t msr, uint64_t *val);
bool wrmsr_safe(uint32_t msr, uint64_t val);
void outb(uint16_t port, uint8_t val);
uint8_t inb(uint16_t port);
uint32_t inl(uint16_t port);
uint64_t rdtsc(void);

/* Interrupts and exceptions: a handler per vector; an exception without one prints where and crashes the domain. */
struct frame {
#ifdef __x86_64__
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax, vector, error, ip, cs, flags,
		sp, ss;
#else
	uint32_t edi, esi, ebp, esp0, ebx, edx, ecx, eax, vector, error, ip, cs, flags;
#endif
};
typedef void vector_fn(struct frame *f);
void set_vector(unsigned vector, vector_fn *fn);
void irq_on(void);
void irq_off(void);
void halt(void); /* sti; hlt; cli */

/* x2APIC. */
void apic_enable(void);
void apic_eoi(void);
uint32_t apic_id(void);
void apic_ipi(uint32_t dest, uint32_t icr_low);
/* Start vCPU @id (APIC id 2 * id) at @fn on its own stack; returns once it runs. */
void smp_start(unsigned id, void (*fn)(void));

/* Memory. */
void *page_alloc(unsigned pages); /* zeroed, page aligned; never freed */
unsigned long ram_end(void);	  /* end of the RAM range that holds the guest, from the start info's map */
const char *cmdline(void);
/* Another living domain, named by other=N on the command line. */
uint16_t other_domain(void);

/* The shared info page, mapped on first use, and events on top of it (2-level). */
struct shared_info_view {
	volatile uint8_t *page;
};
volatile uint8_t *shared_info(void);
volatile uint8_t *vcpu_info(unsigned vcpu);
bool event_pending(unsigned port);
void event_clear(unsigned port);
void event_unmask(unsigned port);
void event_mask(unsigned port);
/* Deliver upcalls of this vCPU to @fn through LAPIC vector @vector. */
void upcall_enable(unsigned vcpu, uint8_t vector, void (*fn)(void));

void *memset(void *p, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

#endif
