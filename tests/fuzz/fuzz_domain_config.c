/* Any configuration file: it is refused with a problem, or its JSON read back gives the same JSON. Any specification of a disk or an interface. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/problem.h"
#include "base/text.h"
#include "domain/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void specifications(const char *text)
{
	struct disk_config d;
	struct nic_config n;
	struct cpu_list l;
	struct problem p;

	problem_init(&p);
	if (disk_config_parse(&d, text, &p) == 0) {
		json_object_put(disk_config_json(&d));
		disk_config_free(&d);
	} else if (!p.next[0]) {
		abort();
	}
	problem_init(&p);
	if (nic_config_parse(&n, text, &p) == 0) {
		json_object_put(nic_config_json(&n));
		nic_config_free(&n);
	} else if (!p.next[0]) {
		abort();
	}
	if (cpu_list_parse(&l, text, 16) == 0) {
		free(cpu_list_format(&l, 16));
		cpu_list_free(&l);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct domain_config c, again;
	struct json_object *a, *b;
	struct problem p;
	char *text = malloc(size + 64);

	if (!text)
		return 0;
	memcpy(text, "name='n'\nkernel='/k'\n", 21);
	if (size)
		memcpy(text + 21, data, size);
	text[21 + size] = '\0';
	specifications(text + 21);
	domain_config_init(&c);
	c.nr_cpus = 16;
	problem_init(&p);
	if (domain_config_parse(&c, "f", text, NULL, NULL, NULL, &p)) {
		if (!p.code[0] || !p.cause[0] || !p.next[0])
			abort();
	} else {
		a = domain_config_json(&c);
		domain_config_init(&again);
		again.nr_cpus = 16;
		problem_init(&p);
		if (domain_config_from_json(&again, a, &p))
			abort();
		b = domain_config_json(&again);
		if (!json_object_equal(a, b))
			abort();
		json_object_put(a);
		json_object_put(b);
		domain_config_free(&again);
	}
	domain_config_free(&c);
	free(text);
	return 0;
}
