/*
 * Layout strings (hv/guest.h) of the public interface's structures that differ between guest widths. tests/abi compares
 * each with what a 32-bit and a 64-bit compiler make of Xen's own definition.
 */
#ifndef HV_LAYOUTS_H
#define HV_LAYOUTS_H

#define LAYOUT_multicall_entry "8L"
#define LAYOUT_gnttab_map_grant_ref "qiihhiq"
#define LAYOUT_gnttab_unmap_grant_ref "qqih"
#define LAYOUT_gnttab_copy "LhhALhhAhhh"
#define LAYOUT_sched_poll "Liq"
#define LAYOUT_vcpu_runstate_info "i5q"
#define LAYOUT_vcpu_set_singleshot_timer "qi"
#define LAYOUT_xen_memory_reservation "LLiih"
#define LAYOUT_xen_add_to_physmap "hhiLL"
#define LAYOUT_xen_add_to_physmap_batch "hhhhLLL"
#define LAYOUT_xen_remove_from_physmap "hL"
#define LAYOUT_xen_memory_map "iL"
#define LAYOUT_xen_platform_parameters "L"
#define LAYOUT_xen_dm_op_buf "LL"
#define LAYOUT_xen_pod_target "4qh"
#define LAYOUT_xen_mem_acquire_resource "hhiiiqL"
/* One element of an array of xen_pfn_t, xen_ulong_t or handles. */
#define LAYOUT_ulong "L"

#endif
