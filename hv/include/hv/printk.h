/* Hypervisor messages. A guest's action may never cause LOG_ERR: that level means Hospes or the machine is at fault. */
#ifndef HV_PRINTK_H
#define HV_PRINTK_H

#include <stdarg.h>

#include "hv/types.h"

enum log_level {
	LOG_ERR,	/* Hospes or the machine is broken */
	LOG_WARN,	/* the administrator should know */
	LOG_INFO,	/* normal progress, shown by default */
	LOG_DEBUG,	/* only with loglvl=all */
	LOG_GUEST_WARN, /* caused by a guest: filtered by guest_loglvl and rate limited per domain */
	LOG_GUEST_DEBUG,
};

/* Print one line (or part of one; a line ends with \n) as "(XEN) ..." to every console and the console ring. */
void printk(enum log_level level, const char *fmt, ...) printf_like(2, 3);
void vprintk(enum log_level level, const char *fmt, va_list ap) printf_like(2, 0);

/* Levels and time stamps from the command line; console_init() calls it. */
void printk_init(void);
/* What is shown now, Hospes' own or what guests cause, in the words of loglvl= and guest_loglvl=; another. -EINVAL: no such level. */
void printk_show_level(bool guest, char *buf, size_t size);
int printk_set_level(bool guest, const char *text) must_check;
/* The same for the time before each line, in the words of console_timestamps=. */
void printk_show_stamp(char *buf, size_t size);
int printk_set_stamp(const char *text) must_check;

/* Stop the machine: symbolised backtrace, who was running, then halt or reboot (noreboot). Any context. */
_Noreturn void panic(const char *fmt, ...) printf_like(1, 2);

#define BUG_ON(cond) \
	do { \
		if (unlikely(cond)) \
			panic("BUG at %s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)
/* ASSERT states what Hospes promises itself; nothing a guest sends may reach one. On in every build. */
#define ASSERT(cond) BUG_ON(!(cond))

/* A hypervisor error is born here: debug builds record the place it came from. */
int err_trace(int error, const char *file, int line);
#if defined(HV_DEBUG)
#define err(e) err_trace((e), __FILE__, __LINE__)
#else
#define err(e) (e)
#endif

#endif
