/* What the parts of `work` share. */
#ifndef WORK_H
#define WORK_H

/* Ends the program with what errno says. */
void die(const char *what);
/* @rc, unless it is negative: die(@what). */
long ok(long rc, const char *what);

/* One marker, of a number known only now. */
void mark(unsigned n);
/*
 * Run @argv between the markers @n and @n + 1, and print "RUN n forks F us T": processes and threads of them that began
 * meanwhile beside it, without the kernel's own; its time. Its status.
 */
int run(unsigned n, char *const *argv);
/* Give the kernel randomness it believes in. It is the same each time. */
void seed(void);
/* Print "DAEMONS n KiB": all processes but the first and this one, and their share of memory. */
void daemons(void);

#endif
