#include "os_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/service.h"

static struct {
	int poll;
	sigset_t signals;
} os = { .poll = -1 };

int os_poll_open(void)
{
	os.poll = epoll_create1(EPOLL_CLOEXEC);
	return os.poll < 0 ? errno : 0;
}

static int poll_control(int op, int fd, unsigned what, void *who)
{
	struct epoll_event e = { .data.ptr = who };

	if (what & OS_IN)
		e.events |= EPOLLIN;
	if (what & OS_OUT)
		e.events |= EPOLLOUT;
	return epoll_ctl(os.poll, op, fd, &e) ? errno : 0;
}

int os_poll_add(int fd, unsigned what, void *who)
{
	return poll_control(EPOLL_CTL_ADD, fd, what, who);
}

int os_poll_change(int fd, unsigned what, void *who)
{
	return poll_control(EPOLL_CTL_MOD, fd, what, who);
}

void os_poll_remove(int fd)
{
	epoll_ctl(os.poll, EPOLL_CTL_DEL, fd, NULL);
}

unsigned os_poll_wait(struct os_event *out, unsigned max, int timeout_ms)
{
	struct epoll_event events[64];
	int n = epoll_wait(os.poll, events, max < 64 ? (int)max : 64, timeout_ms);

	for (int i = 0; i < n; i++) {
		out[i].who = events[i].data.ptr;
		out[i].what = (events[i].events & EPOLLIN ? OS_IN : 0) | (events[i].events & EPOLLOUT ? OS_OUT : 0) |
			      (events[i].events & (EPOLLHUP | EPOLLERR) ? OS_GONE : 0);
	}
	return n > 0 ? (unsigned)n : 0;
}

int os_signal_fd(const int *signals)
{
	sigset_t set;

	sigemptyset(&set);
	for (; *signals; signals++)
		sigaddset(&set, *signals);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	os.signals = set;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void os_signals_release(bool yes)
{
	sigprocmask(yes ? SIG_UNBLOCK : SIG_BLOCK, &os.signals, NULL);
}

int os_signal_next(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

int os_accept(int fd)
{
	return accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void os_service_notify(const char *text)
{
	service_notify(text);
}

size_t os_raise_files(void)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };

	/* With privilege the hard limit can rise too. */
	if (setrlimit(RLIMIT_NOFILE, &limit) && !getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return getrlimit(RLIMIT_NOFILE, &limit) ? 1024 : (size_t)limit.rlim_cur;
}

void os_steady_memory(void)
{
	mallopt(M_MXFAST, 0);
}

void os_protect_memory(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "-900", 4);
	close(fd);
}

int os_drop_privileges(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	/* capabilities(7): an emptied bounding set keeps uid 0 from getting them back by exec, so also after an update. */
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0)
			break;
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	if (syscall(SYS_capset, &header, data))
		return errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? errno : 0;
}

int os_memory_file(const char *name)
{
	return memfd_create(name, 0);
}

void os_boot_id(char id[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(id, 0, 40);
	if (fd < 0)
		return;
	if (read(fd, id, 36) != 36)
		memset(id, 0, 40);
	close(fd);
}

int os_file_reserve(int fd, uint64_t offset, uint64_t size)
{
	return posix_fallocate(fd, (off_t)offset, (off_t)size);
}

void *os_remap(void *map, size_t old_size, size_t new_size)
{
	void *p = mremap(map, old_size, new_size, MREMAP_MAYMOVE);

	return p == MAP_FAILED ? NULL : p;
}
