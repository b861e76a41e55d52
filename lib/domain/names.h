/* Words and orders of libxl's JSON, and words of xl.cfg. */
#ifndef DOMAIN_NAMES_H
#define DOMAIN_NAMES_H

struct name {
	const char *name;
	int value;
};

/* Tables end with a NULL name. The first name of a value is the one printed. */
extern const struct name domain_type_names[], action_names[], tsc_mode_names[], latency_class_names[],
	disk_format_names[], disk_backend_names[];
/* Those of xl.cfg where they differ. */
extern const struct name action_keywords[];
extern const char *const order_top[],
	*const order_c_info[], *const order_b_info[], *const order_sched_params[],
							      *const order_type_hvm[],
								      *const order_vnc[], *const order_sdl[],
												  *const order_spice[];

/* The name, or NULL. */
const char *name_of(const struct name *table, int value);
/* The value, or -1. */
int value_of(const struct name *table, const char *name);

#endif
