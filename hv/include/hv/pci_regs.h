/* Registers of PCI configuration space (PCI Local Bus 3.0 chapter 6, PCI-to-PCI Bridge 1.2 chapter 3, PCI Express base). */
#ifndef HV_PCI_REGS_H
#define HV_PCI_REGS_H

#define PCI_CONFIG_SIZE 256u	  /* what CF8 reaches */
#define PCI_CONFIG_EXT_SIZE 4096u /* what MMCFG reaches */

#define PCI_VENDOR_ID 0x00u
#define PCI_DEVICE_ID 0x02u
#define PCI_COMMAND 0x04u
#define PCI_COMMAND_IO 0x1u
#define PCI_COMMAND_MEMORY 0x2u
#define PCI_COMMAND_MASTER 0x4u
#define PCI_COMMAND_INTX_DISABLE 0x400u
#define PCI_STATUS 0x06u
#define PCI_STATUS_CAP_LIST 0x10u
#define PCI_CLASS_REVISION 0x08u
#define PCI_CLASS_HOST_BRIDGE 0x0600u
#define PCI_HEADER_TYPE 0x0eu
#define PCI_HEADER_MULTI 0x80u
#define PCI_HEADER_NORMAL 0x00u
#define PCI_HEADER_BRIDGE 0x01u
#define PCI_HEADER_CARDBUS 0x02u
#define PCI_BAR0 0x10u
#define PCI_BAR_IO 0x1u
#define PCI_BAR_TYPE_MASK 0x6u
#define PCI_BAR_TYPE_64 0x4u
#define PCI_BAR_PREFETCH 0x8u
#define PCI_BAR_MEM_MASK 0xfffffff0u
#define PCI_BAR_IO_MASK 0xfffffffcu
#define PCI_SECONDARY_BUS 0x19u
#define PCI_SUBORDINATE_BUS 0x1au
#define PCI_ROM 0x30u
#define PCI_ROM_BRIDGE 0x38u
#define PCI_ROM_ENABLE 0x1u
#define PCI_ROM_MASK 0xfffff800u
#define PCI_CAP_POINTER 0x34u

#define PCI_CAP_ID_MSI 0x05u
#define PCI_CAP_ID_MSIX 0x11u

/* MSI: offsets from the capability; what follows the low address depends on PCI_MSI_64. */
#define PCI_MSI_CONTROL 2u
#define PCI_MSI_ENABLE 0x1u
#define PCI_MSI_CAPABLE_SHIFT 1u /* log2 of the messages it can send */
#define PCI_MSI_ENABLED_SHIFT 4u /* log2 of those it may */
#define PCI_MSI_64 0x80u
#define PCI_MSI_MASKABLE 0x100u
#define PCI_MSI_ADDRESS 4u
#define PCI_MSI_ADDRESS_HIGH 8u
#define PCI_MSI_MAX_LOG2 5u

#define PCI_MSIX_CONTROL 2u
#define PCI_MSIX_SIZE_MASK 0x7ffu
#define PCI_MSIX_MASKALL 0x4000u
#define PCI_MSIX_ENABLE 0x8000u
#define PCI_MSIX_TABLE 4u
#define PCI_MSIX_PBA 8u
#define PCI_MSIX_BIR_MASK 0x7u
#define PCI_MSIX_ENTRY_SIZE 16u
#define PCI_MSIX_ENTRY_ADDRESS 0u
#define PCI_MSIX_ENTRY_ADDRESS_HIGH 4u
#define PCI_MSIX_ENTRY_DATA 8u
#define PCI_MSIX_ENTRY_CONTROL 12u
#define PCI_MSIX_ENTRY_MASKED 0x1u

#endif
