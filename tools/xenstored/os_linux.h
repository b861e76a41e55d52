/* What the daemon needs of its operating system beyond POSIX. Another system is another os_*.c. */
#ifndef XENSTORED_OS_LINUX_H
#define XENSTORED_OS_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OS_IN = 1, OS_OUT = 2, OS_GONE = 4 };

struct os_event {
	void *who;
	unsigned what; /* OS_* */
};

/* One set of descriptors, level triggered. Each returns 0 or an errno value. */
int os_poll_open(void);
int os_poll_add(int fd, unsigned what, void *who);
int os_poll_change(int fd, unsigned what, void *who);
void os_poll_remove(int fd);
/* Up to @max (<= 64) events; @timeout_ms < 0 waits for ever. Interrupted or none: 0. */
unsigned os_poll_wait(struct os_event *out, unsigned max, int timeout_ms);

/* Block @signals (0-terminated) and deliver them by a descriptor; < 0: none. */
int os_signal_fd(const int *signals);
/* Another program follows by exec: signals are its own business, or (@yes false) ours again. */
void os_signals_release(bool yes);
/* The next one delivered, 0: none. */
int os_signal_next(int fd);

/* Next client of a listening socket, non-blocking and closed on exec; -1 and errno. */
int os_accept(int fd);
/* Tell the service manager (sd_notify protocol), if there is one. */
void os_service_notify(const char *text);
/* Room for many clients; returns how many descriptors there may be. */
size_t os_raise_files(void);
/* Never be chosen by the out-of-memory killer: without the store the host is lost. */
void os_protect_memory(void);
/* Have free() do its work at once: it would put it off, and then do all of it in the middle of one request. */
void os_steady_memory(void);
/* Give up all capabilities and every way to new ones; what is open stays open. 0 or an errno value. */
int os_drop_privileges(void);
/* A file without a name, for the update stream; -1 and errno. Stays open over exec. */
int os_memory_file(const char *name);
/* Which life of the machine this is: the same text until it is booted again; zeros if nobody knows. */
void os_boot_id(char id[40]);
/* Make @size bytes of @fd real, so that writing to a mapping of them cannot fail. 0 or an errno value. */
int os_file_reserve(int fd, uint64_t offset, uint64_t size);
/* Grow or move a shared mapping; NULL: failed, the old one stays. */
void *os_remap(void *map, size_t old_size, size_t new_size);

#endif
