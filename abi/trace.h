/* Trace buffers: what xentrace maps, and the events Hospes writes. */
#ifndef ABI_TRACE_H
#define ABI_TRACE_H

#include "xen.h"

#define TRACE_EXTRA_MAX 7
#define TRACE_EXTRA_SHIFT 28

#define TRC_CLS_SHIFT 16
#define TRC_SUBCLS_SHIFT 12
#define TRC_GEN 0x0001f000
#define TRC_MEM 0x0010f000
#define TRC_ALL 0x0ffff000
#define TRC_HVM_ENTRYEXIT 0x00081000
#define TRC_HVM_HANDLER 0x00082000
#define TRC_SCHED_MIN 0x00021000
#define TRC_SCHED_VERBOSE 0x00028000
#define TRC_DOM0_DOMOPS 0x00041000
#define TRC_HW_IRQ 0x00802000
#define TRC_64_FLAG 0x100

#define TRC_LOST_RECORDS (TRC_GEN + 1)
#define TRC_TRACE_WRAP_BUFFER (TRC_GEN + 2)
#define TRC_TRACE_CPU_CHANGE (TRC_GEN + 3)

#define TRC_SCHED_RUNSTATE_CHANGE (TRC_SCHED_MIN + 1)
#define TRC_SCHED_WAKE (TRC_SCHED_VERBOSE + 4)
#define TRC_SCHED_YIELD (TRC_SCHED_VERBOSE + 5)
#define TRC_SCHED_BLOCK (TRC_SCHED_VERBOSE + 6)
#define TRC_SCHED_SWITCH (TRC_SCHED_VERBOSE + 10)

#define TRC_DOM0_DOM_ADD (TRC_DOM0_DOMOPS + 1)
#define TRC_DOM0_DOM_REM (TRC_DOM0_DOMOPS + 2)

#define TRC_MEM_PAGE_GRANT_MAP (TRC_MEM + 1)
#define TRC_MEM_PAGE_GRANT_UNMAP (TRC_MEM + 2)
#define TRC_MEM_SET_P2M_ENTRY (TRC_MEM + 4)

#define TRC_HVM_VMENTRY (TRC_HVM_ENTRYEXIT + 0x01)
#define TRC_HVM_VMEXIT64 (TRC_HVM_ENTRYEXIT + TRC_64_FLAG + 0x02)
#define TRC_HVM_INJ_VIRQ (TRC_HVM_HANDLER + 0x04)
#define TRC_HVM_VMMCALL (TRC_HVM_HANDLER + 0x12)

#define TRC_HW_IRQ_HANDLED (TRC_HW_IRQ + 0x8)

/* A record: event in bits 0-27, extra words in 28-30, bit 31 with a time; the time, low half first; the words. */
#define TRC_HD_CYCLE_FLAG (1UL << 31)

/* Before a CPU's records. Both run from 0 to twice the size of the data, for records may fill all of it. */
struct t_buf {
	uint32_t cons;
	uint32_t prod;
};
ABI_SIZE(struct t_buf, 8);

/* Pages of each buffer; for each CPU at which 32-bit word of this structure the list of its buffer's frames begins. */
struct t_info {
	uint16_t tbuf_size;
	uint16_t mfn_offset[];
};

#endif
