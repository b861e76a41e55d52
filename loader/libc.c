/* The few libc functions the decompression libraries call. The heap only grows: the loader's life is one kernel. */
#include <string.h>

#include "loader.h"

static struct {
	uint64_t next, end;
} heap;

void heap_init(uint64_t start, uint64_t end)
{
	heap.next = start;
	heap.end = end;
}

void *malloc(size_t size)
{
	uint64_t at = (heap.next + 15) & ~15UL;

	if (size > heap.end - at || at > heap.end)
		return NULL;
	heap.next = at + size;
	return (void *)at;
}

/* Scratch frames arrive zeroed and are never used twice. */
void *calloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : malloc(bytes);
}

void free(void *p)
{
	(void)p;
}

/* Eight bytes at a time: under an emulator a string instruction costs per iteration, not per byte. */
void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;
	size_t words = n / 8, rest = n % 8;

	asm volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
	asm volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(rest) : : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (d <= s || d >= s + n)
		return memcpy(dst, src, n);
	while (n--)
		d[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;
	size_t words = n / 8, rest = n % 8;
	uint64_t pattern = 0x0101010101010101UL * (uint8_t)c;

	asm volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	asm volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

_Noreturn void __stack_chk_fail(void);

_Noreturn void __stack_chk_fail(void)
{
	fail("loader: stack overrun while unpacking");
}

/* One thread: the locks of the thread-aware libraries always succeed. Names and shapes are POSIX's. */
int pthread_mutex_lock(void *m);
int pthread_mutex_unlock(void *m);

int pthread_mutex_lock(void *m)
{
	(void)m;
	return 0;
}

int pthread_mutex_unlock(void *m)
{
	(void)m;
	return 0;
}

/* zstd's weak tracing hooks: an address of zero would lie out of reach of its relative call, so say "not traced". */
unsigned long long ZSTD_trace_decompress_begin(const void *ctx);
void ZSTD_trace_decompress_end(unsigned long long ctx, const void *trace);

unsigned long long ZSTD_trace_decompress_begin(const void *ctx)
{
	(void)ctx;
	return 0;
}

void ZSTD_trace_decompress_end(unsigned long long ctx, const void *trace)
{
	(void)ctx;
	(void)trace;
}
