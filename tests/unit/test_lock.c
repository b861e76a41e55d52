/* Ticket locks: mutual exclusion and order of ranks; a broken order must stop the machine. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mm_test.h"

#include "hv/lock.h"

static spinlock_t low = SPINLOCK_INIT(RANK_DOMAIN), high = SPINLOCK_INIT(RANK_P2M), high2 = SPINLOCK_INIT(RANK_P2M);
static unsigned long counter;

static void *count(void *cpu)
{
	host_set_cpu((unsigned)(uintptr_t)cpu);
	for (unsigned i = 0; i < 20000; i++) {
		spin_lock(&low);
		assert_true(spin_is_mine(&low));
		counter++;
		spin_unlock(&low);
		if (spin_trylock(&low)) {
			counter++;
			spin_unlock(&low);
		} else {
			spin_lock(&low);
			counter++;
			spin_unlock(&low);
		}
	}
	return NULL;
}

static void test_exclusion(void **state)
{
	pthread_t t[3];

	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, count, (void *)(i + 1));
	for (unsigned i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter, 3 * 40000);
	assert_false(spin_is_mine(&low));
	assert_int_equal(this_pcpu()->nr_held, 0);
}

static void test_order_allowed(void **state)
{
	spin_lock(&low);
	spin_lock(&high);
	spin_lock_nested(&high2);
	assert_false(spin_trylock(&high));
	spin_unlock(&low); /* any order of release */
	spin_unlock(&high);
	assert_true(spin_trylock(&low)); /* a trial may go against the order */
	spin_unlock(&high2);
	spin_unlock(&low);
	assert_int_equal(this_pcpu()->nr_held, 0);
	assert_int_equal(low.cpu, 0xffff);
}

/* Does @fn end the program? */
static bool dies(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status);
}

static void wrong_rank(void)
{
	spin_lock(&high);
	spin_lock(&low);
}

static void same_rank(void)
{
	spin_lock(&high);
	spin_lock(&high2);
}

static void twice(void)
{
	spin_lock(&high);
	spin_lock_nested(&high);
}

static void not_mine(void)
{
	spin_unlock(&high);
}

static void test_order_refused(void **state)
{
	assert_true(dies(wrong_rank));
	assert_true(dies(same_rank));
	assert_true(dies(twice));
	assert_true(dies(not_mine));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exclusion),
		cmocka_unit_test(test_order_allowed),
		cmocka_unit_test(test_order_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
