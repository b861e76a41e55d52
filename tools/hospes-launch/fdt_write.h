/* Writing a flattened device tree (Devicetree Specification 0.4, chapter 5), front to back. Out of memory ends the program. */
#ifndef FDT_WRITE_H
#define FDT_WRITE_H

#include <stddef.h>
#include <stdint.h>

struct fdt_buffer {
	uint8_t *data;
	size_t len, size;
};

struct fdt_writer {
	struct fdt_buffer tree, strings;
};

void fdtw_begin(struct fdt_writer *w, const char *node);
void fdtw_end(struct fdt_writer *w);
void fdtw_prop(struct fdt_writer *w, const char *name, const void *data, size_t len);
void fdtw_cells(struct fdt_writer *w, const char *name, const uint32_t *cells, size_t n);
void fdtw_cell(struct fdt_writer *w, const char *name, uint32_t v);
void fdtw_u64(struct fdt_writer *w, const char *name, uint64_t v);
void fdtw_string(struct fdt_writer *w, const char *name, const char *s);
/* The finished blob, *@size bytes, to be freed; the writer is empty afterwards. */
uint8_t *fdtw_finish(struct fdt_writer *w, size_t *size);

#endif
