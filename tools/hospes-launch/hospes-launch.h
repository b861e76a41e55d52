/* Parts of hospes-launch. */
#ifndef HOSPES_LAUNCH_H
#define HOSPES_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

/* Files that become boot modules, in order; module 0 is the tree. */
struct module_list {
	char **path;
	size_t nr;
};

/* Report one error with the program's name and a new line; returns -1. */
int error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Whole file, terminated with an extra zero byte; NULL after an error was reported. */
char *read_file(const char *path, size_t *size);

/* Turn xl.cfg files into a tree. The blob is to be freed; @mods gets the module files. -1 after a reported error. */
int compile_files(char *const *files, size_t nr, uint8_t **blob, size_t *size, struct module_list *mods);

#endif
