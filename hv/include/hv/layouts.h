/*
 * Layouts (hv/guest.h) of the public interface's structures that differ between guest widths. tests/abi compares
 * each with what a 32-bit and a 64-bit compiler make of Xen's own definition.
 */
#ifndef HV_LAYOUTS_H
#define HV_LAYOUTS_H

#include "hv/guest.h"

#define LAYOUT_multicall_entry LAYOUT(64, 32, "8L")
#define LAYOUT_gnttab_map_grant_ref LAYOUT(32, 32, "qiihhiq")
#define LAYOUT_gnttab_unmap_grant_ref LAYOUT(24, 24, "qqih")
#define LAYOUT_gnttab_copy LAYOUT(40, 24, "LhhALhhAhhh")
#define LAYOUT_gnttab_setup_table LAYOUT(24, 16, "hihL")
#define LAYOUT_sched_poll LAYOUT(24, 16, "Liq")
#define LAYOUT_vcpu_runstate_info LAYOUT(48, 44, "i5q")
#define LAYOUT_vcpu_set_singleshot_timer LAYOUT(16, 12, "qi")
#define LAYOUT_xen_memory_reservation LAYOUT(32, 20, "LLiih")
#define LAYOUT_xen_add_to_physmap LAYOUT(24, 16, "hhiLL")
#define LAYOUT_xen_add_to_physmap_batch LAYOUT(32, 20, "hhhhLLL")
#define LAYOUT_xen_remove_from_physmap LAYOUT(16, 8, "hL")
#define LAYOUT_xen_memory_map LAYOUT(16, 8, "iL")
#define LAYOUT_xen_platform_parameters LAYOUT(8, 4, "L")
#define LAYOUT_xen_dm_op_buf LAYOUT(16, 8, "LL")
#define LAYOUT_xen_pod_target LAYOUT(40, 36, "4qh")
#define LAYOUT_xen_mem_acquire_resource LAYOUT(32, 28, "hhiiiqL")
/* One element of an array of xen_pfn_t, xen_ulong_t or handles. */
#define LAYOUT_ulong LAYOUT(8, 4, "L")
/* One int. */
#define LAYOUT_int LAYOUT(4, 4, "i")

#endif
