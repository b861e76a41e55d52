/* What a journal gives back, whatever happened to its file. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/xenstored/domain.h"
#include "tools/xenstored/hyper.h"
#include "tools/xenstored/journal_format.h"
#include "tools/xenstored/journal_io.h"
#include "tools/xenstored/live.h"
#include "tools/xenstored/loop.h"
#include "tools/xenstored/options.h"
#include "tools/xenstored/store.h"

#define GROUPS 24

static char *image;
static size_t image_len;

/* Only the store and its journal. */
static void store_only(void)
{
	world_quiet();
	world_options();
	CHECK(!loop_open());
	CHECK(!domain_init() && !store_init());
}

static void load_image(void)
{
	struct stat st;
	int fd = open(options.journal_file, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && !fstat(fd, &st));
	image = malloc((size_t)st.st_size);
	CHECK(read(fd, image, (size_t)st.st_size) == st.st_size);
	close(fd);
	/* What matters of it. */
	image_len = sizeof(struct journal_header);
	for (;;) {
		const struct journal_frame *f = (const void *)(image + image_len);

		if (!f->len)
			break;
		image_len += sizeof(*f) + f->len;
	}
}

static void save_image(const char *p, size_t len)
{
	int fd = open(options.journal_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, p, len) == (ssize_t)len);
	close(fd);
}

/* A transaction's group: two nodes that must come and go together. */
static void write_pair(int i)
{
	char a[32], b[32];

	snprintf(a, sizeof(a), "/n/%da", i);
	snprintf(b, sizeof(b), "/n/%db", i);
	journal_begin(NULL);
	CHECK(!write0(a, "first") && !write0(b, "second"));
	journal_commit();
}

static void make_image(void)
{
	store_only();
	CHECK(!journal_create(options.journal_file));
	for (int i = 0; i < GROUPS; i++)
		write_pair(i);
	CHECK(!ask0(XS_RM, "/n/0a", 6, NULL, NULL));
	journal_close(false);
	load_image();
}

/* How many groups came back, all of them whole and without a hole; -1: not even the first state. */
static int recovered(void)
{
	char a[32], b[32];
	int n = 0;

	for (int i = 0; i < GROUPS; i++) {
		bool has_a, has_b;

		snprintf(a, sizeof(a), "/n/%da", i);
		snprintf(b, sizeof(b), "/n/%db", i);
		has_a = exists0(a);
		has_b = exists0(b);
		if (i)
			CHECK(has_a == has_b);
		CHECK(!has_b || n == i);
		n += has_b;
	}
	/* The last group removed this one. */
	return exists0("/n/0a") || n < GROUPS ? n : GROUPS + 1;
}

static int recover_from(const char *p, size_t len)
{
	int n;

	save_image(p, len);
	store_exit();
	CHECK(!store_init());
	(void)journal_recover(options.journal_file);
	n = recovered();
	journal_close(true);
	return n;
}

static void cut_everywhere(void)
{
	int last = 0;

	make_image();
	for (size_t len = 0; len <= image_len; len++) {
		int n = recover_from(image, len);

		CHECK(n >= last && n <= last + 1);
		last = n;
	}
	CHECK(last == GROUPS + 1);
}

static void flip_bits(void)
{
	char *copy;

	make_image();
	copy = malloc(image_len);
	srandom(1);
	for (int round = 0; round < 1500; round++) {
		memcpy(copy, image, image_len);
		for (int n = 1 + (int)(random() % 4); n; n--)
			copy[(size_t)random() % image_len] ^= (char)(1 << random() % 8);
		(void)recover_from(copy, image_len);
	}
	free(copy);
}

/* Records with a right checksum and nonsense in them: another version's, or a memory fault's. */
static void nonsense_records(void)
{
	char *copy;

	make_image();
	copy = malloc(image_len);
	srandom(2);
	for (int round = 0; round < 1500; round++) {
		size_t at = sizeof(struct journal_header), frames = 0;

		memcpy(copy, image, image_len);
		while (at < image_len) {
			struct journal_frame *f = (void *)(copy + at);

			if (random() % 8 == 0)
				for (int n = 1 + (int)(random() % 3); n; n--)
					copy[at + sizeof(*f) + (size_t)random() % f->len] = (char)random();
			f->sum = journal_sum(f->sequence, f + 1, f->len);
			at += sizeof(*f) + f->len;
			frames++;
		}
		CHECK(frames > GROUPS);
		save_image(copy, image_len);
		store_exit();
		CHECK(!store_init());
		(void)journal_recover(options.journal_file);
		journal_close(true);
	}
	free(copy);
}

/* After a boot no domain of it lives, so the store begins anew. */
static void earlier_boot(void)
{
	make_image();
	image[offsetof(struct journal_header, boot)] ^= 1;
	CHECK(recover_from(image, image_len) == 0);
	image[offsetof(struct journal_header, boot)] ^= 1;
	CHECK(recover_from(image, image_len) == GROUPS + 1);
}

/* Far more is written than lives: the file is rewritten while requests go on, and holds exactly the state. */
static void rewrite_under_load(void)
{
	char path[32], value[64];
	struct stat st;

	store_only();
	CHECK(!journal_create(options.journal_file));
	for (int i = 0; i < 40000; i++) {
		snprintf(path, sizeof(path), "/w/%d", i % 700);
		snprintf(value, sizeof(value), "value %d", i);
		CHECK(!write0(path, value));
		if (i % 3 == 0)
			loop_turn(0);
	}
	CHECK(!stat(options.journal_file, &st) && st.st_size < 3 << 20);
	journal_close(false);
	store_exit();
	CHECK(!store_init());
	CHECK(!journal_recover(options.journal_file));
	for (int i = 0; i < 700; i++) {
		char answer[4096];
		size_t len;
		int last = 39999 - (39999 - i) % 700;

		snprintf(path, sizeof(path), "/w/%d", i);
		snprintf(value, sizeof(value), "value %d", last);
		CHECK(!ask0(XS_READ, path, strlen(path) + 1, answer, &len));
		CHECK(len == strlen(value) && !memcmp(answer, value, len));
	}
}

static void test_cut(void **state)
{
	isolated(cut_everywhere);
}

static void test_flips(void **state)
{
	isolated(flip_bits);
}

static void test_nonsense(void **state)
{
	isolated(nonsense_records);
}

static void test_earlier_boot(void **state)
{
	isolated(earlier_boot);
}

static void test_rewrite(void **state)
{
	isolated(rewrite_under_load);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),	     cmocka_unit_test(test_flips),   cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_earlier_boot), cmocka_unit_test(test_rewrite),
	};

	return cmocka_run_group_tests_name("store_journal", tests, NULL, NULL);
}
