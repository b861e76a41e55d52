#include "domain/names.h"

#include <string.h>

#include "abi/hospes.h"
#include "domain/config.h"

/* clang-format off */
const struct name domain_type_names[] = { { "pv", DOMAIN_PV }, { "pvh", DOMAIN_PVH }, { "hvm", DOMAIN_HVM }, { NULL, 0 } };
const struct name tsc_mode_names[] = {
	{ "default", TSC_DEFAULT }, { "always_emulate", TSC_EMULATE }, { "native", TSC_NATIVE }, { "native_paravirt", TSC_PVRDTSCP }, { NULL, 0 }
};
const struct name latency_class_names[] = {
	{ "normal", HOSPES_LATENCY_normal }, { "interactive", HOSPES_LATENCY_interactive }, { "batch", HOSPES_LATENCY_batch }, { NULL, 0 }
};
const struct name disk_format_names[] = {
	{ "raw", DISK_RAW }, { "qcow2", DISK_QCOW2 }, { "vhd", DISK_VHD }, { "qed", DISK_QED }, { "empty", DISK_EMPTY }, { NULL, 0 }
};
const struct name disk_backend_names[] = {
	{ "phy", DISK_BACKEND_PHY }, { "qdisk", DISK_BACKEND_QDISK }, { "tap", DISK_BACKEND_QDISK }, { "standalone", DISK_BACKEND_STANDALONE },
	{ "unknown", DISK_BACKEND_ANY }, { NULL, 0 }
};
const struct name action_names[] = {
	{ "destroy", ACTION_DESTROY }, { "restart", ACTION_RESTART }, { "restart_rename", ACTION_RENAME_RESTART }, { "preserve", ACTION_PRESERVE },
	{ "coredump_destroy", ACTION_COREDUMP_DESTROY }, { "coredump_restart", ACTION_COREDUMP_RESTART }, { "soft_reset", ACTION_SOFT_RESET }, { NULL, 0 }
};
const struct name action_keywords[] = {
	{ "destroy", ACTION_DESTROY }, { "restart", ACTION_RESTART }, { "rename-restart", ACTION_RENAME_RESTART }, { "preserve", ACTION_PRESERVE },
	{ "coredump-destroy", ACTION_COREDUMP_DESTROY }, { "coredump-restart", ACTION_COREDUMP_RESTART }, { "soft-reset", ACTION_SOFT_RESET }, { NULL, 0 }
};

const char *const order_top[] = {
	"c_info", "b_info", "disks", "nics", "pcidevs", "rdms", "dtdevs", "vfbs", "vkbs", "vtpms", "p9s",
	"pvcallsifs", "vdispls", "vsnds", "channels", "usbctrls", "usbdevs", "on_poweroff", "on_reboot",
	"on_watchdog", "on_crash", "on_soft_reset", NULL,
};
const char *const order_c_info[] = {
	"type", "hap", "oos", "ssidref", "ssid_label", "name", "uuid", "xsdata", "platformdata", "poolid",
	"pool_name", "run_hotplug_scripts", "driver_domain", "passthrough", "xend_suspend_evtchn_compat", NULL,
};
const char *const order_b_info[] = {
	"max_vcpus", "avail_vcpus", "cpumap", "nodemap", "vcpu_hard_affinity", "vcpu_soft_affinity",
	"numa_placement", "tsc_mode", "max_memkb", "target_memkb", "video_memkb", "shadow_memkb",
	"iommu_memkb", "rtc_timeoffset", "exec_ssidref", "exec_ssid_label", "localtime", "disable_migrate",
	"cpuid", "blkdev_start", "vnuma_nodes", "max_grant_frames", "max_maptrack_frames", "max_grant_version",
	"device_model_version", "device_model_stubdomain", "stubdomain_memkb", "stubdomain_kernel",
	"stubdomain_cmdline", "stubdomain_ramdisk", "device_model", "device_model_ssidref",
	"device_model_ssid_label", "device_model_user", "extra", "extra_pv", "extra_hvm", "sched_params",
	"ioports", "irqs", "iomem", "claim_mode", "event_channels", "kernel", "cmdline", "ramdisk",
	"device_tree", "acpi", "bootloader", "bootloader_args", "timer_mode", "nested_hvm", "apic",
	"dm_restrict", "tee", "type.hvm", "type.pv", "type.pvh", "arch_arm", "arch_x86", "altp2m",
	"vmtrace_buf_kb", "vpmu", NULL,
};
const char *const order_sched_params[] = {
	"sched", "weight", "cap", "period", "extratime", "slice", "latency", "budget", NULL,
};
const char *const order_type_hvm[] = {
	"firmware", "bios", "pae", "apic", "acpi", "acpi_s3", "acpi_s4", "acpi_laptop_slate", "nx", "viridian",
	"viridian_enable", "viridian_disable", "timeoffset", "hpet", "vpt_align", "mmio_hole_memkb",
	"timer_mode", "nested_hvm", "altp2m", "system_firmware", "smbios_firmware", "acpi_firmware", "hdtype",
	"nographic", "vga", "vnc", "keymap", "sdl", "spice", "gfx_passthru", "gfx_passthru_kind", "serial",
	"boot", "usb", "usbversion", "usbdevice", "vkb_device", "soundhw", "xen_platform_pci",
	"usbdevice_list", "vendor_device", "ms_vm_genid", "serial_list", "rdm", "rdm_mem_boundary_memkb",
	"mca_caps", NULL,
};
const char *const order_vnc[] = { "enable", "listen", "passwd", "display", "findunused", NULL };
const char *const order_sdl[] = { "enable", "opengl", "display", "xauthority", NULL };
const char *const order_spice[] = {
	"enable", "port", "tls_port", "host", "disable_ticketing", "passwd", "agent_mouse", "vdagent", "clipboard_sharing",
	"usbredirection", "image_compression", "streaming_video", NULL,
};
/* clang-format on */

const char *name_of(const struct name *table, int value)
{
	for (; table->name; table++)
		if (table->value == value)
			return table->name;
	return NULL;
}

int value_of(const struct name *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table->value;
	return -1;
}
