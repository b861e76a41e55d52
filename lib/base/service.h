/* What a daemon tells the manager that started it: sd_notify's protocol (sd_notify(3), "Notes": one datagram of lines to $NOTIFY_SOCKET). */
#ifndef LIB_BASE_SERVICE_H
#define LIB_BASE_SERVICE_H

/* Tell it @text ("READY=1", "STOPPING=1", ...). Nothing happens without a manager, or with one that does not listen any more: it has its reasons. */
void service_notify(const char *text);

#endif
