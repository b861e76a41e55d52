/*
 * Questions about what was said: a socket that takes one line and answers "ok <bytes>\n" with so many bytes behind it, or
 * "error <text>\n", and closes. Lines: "log DOMAIN [CONSOLE]", "list", "version".
 */
#ifndef XENCONSOLED_QUERY_H
#define XENCONSOLED_QUERY_H

void query_setup(void);

#endif
