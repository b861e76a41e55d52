/* Basic types. Frame numbers are structures so the compiler tells guest from machine frames. */
#ifndef HV_TYPES_H
#define HV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

/* Page orders of the three sizes every map and the allocator know: 4K, 2M, 1G. */
#define ORDER_4K 0u
#define ORDER_2M 9u
#define ORDER_1G 18u

typedef uint64_t paddr_t; /* machine physical address */
typedef uint16_t domid_t;
typedef uint32_t evtchn_port_t;
typedef uint32_t grant_ref_t;
typedef int64_t stime_t; /* system time: nanoseconds since Hospes started */

typedef struct {
	uint64_t v;
} mfn_t; /* machine frame number */
typedef struct {
	uint64_t v;
} gfn_t; /* guest-physical frame number */

#define INVALID_MFN ((mfn_t){ ~0UL })
#define INVALID_GFN ((gfn_t){ ~0UL })

static inline mfn_t mfn(uint64_t v)
{
	return (mfn_t){ v };
}

static inline gfn_t gfn(uint64_t v)
{
	return (gfn_t){ v };
}

static inline mfn_t mfn_add(mfn_t m, uint64_t n)
{
	return (mfn_t){ m.v + n };
}

static inline gfn_t gfn_add(gfn_t g, uint64_t n)
{
	return (gfn_t){ g.v + n };
}

static inline bool mfn_eq(mfn_t a, mfn_t b)
{
	return a.v == b.v;
}

static inline bool mfn_valid_value(mfn_t m)
{
	return m.v != ~0UL;
}

static inline bool gfn_eq(gfn_t a, gfn_t b)
{
	return a.v == b.v;
}

static inline paddr_t mfn_to_paddr(mfn_t m)
{
	return m.v << PAGE_SHIFT;
}

static inline mfn_t paddr_to_mfn(paddr_t p)
{
	return (mfn_t){ p >> PAGE_SHIFT };
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ROUND_UP(x, a) (((x) + (a)-1) & ~((__typeof__(x))(a)-1))
#define ROUND_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* What CPUs exchange: who writes to one delays all that read anything on it. Objects of the heap larger than most of a line have theirs alone. */
#define CACHE_LINE 64u
#define cache_aligned __attribute__((aligned(CACHE_LINE)))
#define must_check __attribute__((warn_unused_result))
#define packed __attribute__((packed))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define read_once(x) (*(const volatile __typeof__(x) *)&(x))
#define write_once(x, val) (*(volatile __typeof__(x) *)&(x) = (val))

/* Special domain ids of the public interface. */
#define DOMID_FIRST_RESERVED 0x7FF0u
#define DOMID_SELF 0x7FF0u
#define DOMID_IO 0x7FF1u
#define DOMID_XEN 0x7FF2u
#define DOMID_COW 0x7FF3u
#define DOMID_INVALID 0x7FF4u
#define DOMID_IDLE 0x7FFFu

#endif
