/*
 * Anything comes to hospesd's socket, while its store refuses a request now and then. Whatever it is, each whole line gets one answer that is an object of
 * JSON-RPC, problems have a code and a next step, and when the client has gone nothing is under way for it any more.
 *
 * Input: which request to the store fails, how, whether there is a domain "web" (1) and whether the client waits after each line (2); the rest is
 * what it sends.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "hospesd_world.h"
#include "tools/hospesd/op.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define MAX_INPUT 16384

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	world_prepare();
	return 0;
}

static void give(int fd, const void *data, size_t size)
{
	if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
		abort();
	world_run();
}

static bool has_text(struct json_object *o, const char *name)
{
	struct json_object *s;
	return json_object_object_get_ex(o, name, &s) && json_object_is_type(s, json_type_string) &&
	       json_object_get_string_len(s);
}

static bool is_answer(struct json_object *o)
{
	struct json_object *error, *data;
	if (!json_object_object_get_ex(o, "id", NULL))
		return false;
	if (!json_object_object_get_ex(o, "error", &error))
		return json_object_object_get_ex(o, "result", NULL);
	if (!has_text(error, "message"))
		abort();
	if (json_object_object_get_ex(error, "data", &data) &&
	    (!has_text(data, "code") || !has_text(data, "cause") || !has_text(data, "next")))
		abort();
	return true;
}

/* The number of answers that have come; all else is notifications. */
static unsigned answers(int fd)
{
	struct text t = { 0 };
	unsigned nr = 0;
	char part[65536], *line, *rest;
	ssize_t n;
	while ((n = recv(fd, part, sizeof(part), MSG_DONTWAIT)) > 0) {
		text_add_bytes(&t, part, (size_t)n);
		world_run();
	}
	text_add(&t, "");
	for (line = strtok_r(t.s, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct json_object *o = json_tokener_parse(line);
		if (!o)
			abort();
		nr += is_answer(o);
		json_object_put(o);
	}
	text_free(&t);
	return nr;
}

static unsigned lines(const uint8_t *data, size_t size)
{
	unsigned nr = 0;
	for (const uint8_t *p = data, *end; (end = memchr(p, '\n', (size_t)(data + size - p))); p = end + 1)
		nr += end > p;
	return nr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char web[] =
		"{\"id\":0,\"method\":\"domain.create\",\"params\":{\"config\":{\"c_info\":{\"type\":\"pvh\",\"name\":\"web\","
		"\"uuid\":\"00112233-4455-6677-8899-aabbccddeeff\"},\"b_info\":{\"max_vcpus\":1,\"avail_vcpus\":[0],\"max_memkb\":65536,"
		"\"target_memkb\":65536,\"kernel\":\"/dev/null\",\"type.pvh\":{}},\"nics\":[]}}}\n";
	static const char *const errors[] = { "EACCES", "EIO", "ENOSPC", "EQUOTA" };
	int fd;
	if (size < 3 || size > MAX_INPUT)
		return -1;
	world_open(data[0], errors[data[1] % 4]);
	fd = world_connect();
	if (data[2] & 1) {
		give(fd, web, sizeof(web) - 1);
		if (answers(fd) != 1)
			abort();
	}
	for (const uint8_t *p = data + 3, *end; p < data + size; p = end) {
		end = data[2] & 2 ? memchr(p, '\n', (size_t)(data + size - p)) : NULL;
		end = end ? end + 1 : data + size;
		give(fd, p, (size_t)(end - p));
	}
	/* One that waits for a domain's end has no answer yet. */
	if (answers(fd) != lines(data + 3, size - 3) && !op_first())
		abort();
	close(fd);
	world_run();
	if (op_first())
		abort();
	world_close();
	return 0;
}
