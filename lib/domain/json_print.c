/* JSON as libxl's printer lays it out, byte for byte: other programs compare and parse such text. */
#include "domain/config.h"

#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "base/text.h"

static void indent(struct text *t, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		text_add(t, "    ");
}

static void print_string(struct text *t, const char *s, size_t len)
{
	text_add(t, "\"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
		const char *p = c ? strchr(from, c) : NULL;

		if (p)
			text_printf(t, "\\%c", to[p - from]);
		else if (c < 32)
			text_printf(t, "\\u%04X", c);
		else
			text_add_bytes(t, &s[i], 1);
	}
	text_add(t, "\"");
}

static void print(struct text *t, struct json_object *o, unsigned depth)
{
	size_t n = 0;

	switch (json_object_get_type(o)) {
	case json_type_object:
		text_add(t, "{\n");
		json_object_object_foreach(o, key, value)
		{
			text_add(t, n++ ? ",\n" : "");
			indent(t, depth + 1);
			print_string(t, key, strlen(key));
			text_add(t, ": ");
			print(t, value, depth + 1);
		}
		text_add(t, "\n");
		indent(t, depth);
		text_add(t, "}");
		return;
	case json_type_array:
		text_add(t, "[\n");
		for (n = 0; n < json_object_array_length(o); n++) {
			text_add(t, n ? ",\n" : "");
			indent(t, depth + 1);
			print(t, json_object_array_get_idx(o, n), depth + 1);
		}
		text_add(t, "\n");
		indent(t, depth);
		text_add(t, "]");
		return;
	case json_type_string:
		print_string(t, json_object_get_string(o), (size_t)json_object_get_string_len(o));
		return;
	default: /* numbers, true, false, null */
		text_add(t, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	}
}

void json_print(struct text *t, struct json_object *json)
{
	print(t, json, 0);
}
