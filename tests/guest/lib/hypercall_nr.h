/* Hypercall numbers of Xen's public interface. */
#ifndef HYPERCALL_NR_H
#define HYPERCALL_NR_H

#define HC_memory_op 12
#define HC_multicall 13
#define HC_set_timer_op 15
#define HC_xen_version 17
#define HC_console_io 18
#define HC_grant_table_op 20
#define HC_vm_assist 21
#define HC_vcpu_op 24
#define HC_sched_op 29
#define HC_event_channel_op 32
#define HC_physdev_op 33
#define HC_hvm_op 34
#define HC_sysctl 35
#define HC_domctl 36

#endif
