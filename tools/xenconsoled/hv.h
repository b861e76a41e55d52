/* The hypervisor as this daemon sees it: opened once. */
#ifndef XENCONSOLED_HV_H
#define XENCONSOLED_HV_H

struct evtchn;
struct gnttab;
struct hcall;

/* Ends the program if there is none. */
void hv_open(void);
struct hcall *hv_calls(void);
struct evtchn *hv_events(void);
struct gnttab *hv_grants(void);

/* Log what the hypervisor says, from now on; hv_log_reopen() after the file was rotated. */
void hv_log_start(void);
void hv_log_reopen(void);
/* A port is pending: true if it was the hypervisor's console. */
_Bool hv_log_event(int port);

#endif
