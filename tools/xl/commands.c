/* All commands, in the order `xl help` shows them. */
#include "cmd.h"
#include "xl.h"

#define MEMORY "<Domain> <MemMB['b'[bytes]|'k'[KB]|'m'[MB]|'g'[GB]|'t'[TB]]>"
#define DISK_WORDS "<Domain> <disk-spec-component(s)>..."

/* clang-format off */
const struct command commands[] = {
	{ "create", cmd_create, true, true, "Start a domain from its configuration file", "<ConfigFile> [options] [vars]",
	  "-c                      Connect to its console.\n"
	  "-d                      Accepted: hospesd keeps the log.\n"
	  "-e                      Accepted: nobody waits in the background.\n"
	  "-F                      Stay until the domain is gone, telling what happens to it.\n"
	  "-f FILE, --defconfig=FILE\n"
	  "                        The configuration file.\n"
	  "-h                      This help.\n"
	  "-n, --dryrun            Print the configuration that would be used, as JSON; xl -N create does too.\n"
	  "-p                      Leave it paused.\n"
	  "-q, --quiet             No remarks on the configuration.\n"
	  "-V, --vncviewer; -A, --vncviewer-autopass\n"
	  "                        Accepted: for screens of HVM domains.\n"
	  "--ignore-global-affinity-masks\n"
	  "                        Even on CPUs that xl.conf keeps guests away from.\n"
	  "--timings               Print what each step took.\n" },
	{ "config-update", cmd_config_update, true, true, "Replace the configuration that a domain is rebuilt from", "<Domain> <ConfigFile> [options] [vars]",
	  "-h                      This help.\n"
	  "-f FILE, --defconfig=FILE\n"
	  "                        The configuration file.\n"
	  "-d                      Accepted.\n" },
	{ "list", cmd_list, false, false, "Show all domains, or one", "[options] [Domain]",
	  "-l, --long              The whole configuration, as JSON\n"
	  "-v, --verbose           UUIDs, reasons of shutdowns and labels too\n"
	  "-Z, --context           Labels too\n"
	  "-c, --cpupool           The CPU pool too\n"
	  "-n, --numa              The memory nodes it prefers too\n" },
	{ "destroy", cmd_destroy, false, true, "End a domain at once", "[options] <Domain>",
	  "-f                      Even domain 0, if the hypervisor lets us.\n" },
	{ "shutdown", cmd_shutdown, false, true, "Ask a domain to shut down", "[options] <-a|Domain>",
	  "-a, --all               All guests.\n"
	  "-h                      This help.\n"
	  "-F                      Press the ACPI power button where the guest has no PV control.\n"
	  "-w, --wait              Wait until it is down, and gone if it is not to be kept.\n"
	  "-ww                     Wait until it is gone.\n" },
	{ "reboot", cmd_reboot, false, true, "Ask a domain to reboot", "[options] <-a|Domain>",
	  "-a, --all               All guests.\n"
	  "-h                      This help.\n"
	  "-F                      Press the ACPI reset button where the guest has no PV control.\n"
	  "-w, --wait              Wait until it has gone down.\n"
	  "-ww                     Wait until what ran before is gone.\n" },
	{ "pci-attach", cmd_later, false, true, "Give a domain a PCI device", "<Domain> <PCI_SPEC_STRING>", 0 },
	{ "pci-detach", cmd_later, false, true, "Take a PCI device from a domain", "<Domain> <PCI_SPEC_STRING>", 0 },
	{ "pci-list", cmd_later, false, false, "Show the PCI devices of a domain", "<Domain>", 0 },
	{ "pci-assignable-add", cmd_later, false, true, "Make a PCI device ready to be given away", "[options] <BDF>",
	  "-n NAME, --name=NAME    To be called by that name later.\n"
	  "-h                      This help.\n" },
	{ "pci-assignable-remove", cmd_later, false, true, "Give a PCI device back to its driver", "[options] <BDF>|NAME",
	  "-h                      This help.\n"
	  "-r                      Give it back to the driver it had.\n" },
	{ "pci-assignable-list", cmd_later, false, false, "Show the PCI devices that can be given away", "[options]",
	  "-h                      This help.\n"
	  "-n, --show-names        Their names too.\n" },
	{ "pause", cmd_pause, false, true, "Stop a domain's virtual CPUs", "<Domain>", 0 },
	{ "unpause", cmd_unpause, false, true, "Let a paused domain run", "<Domain>", 0 },
	{ "console", cmd_console, false, false, "Connect to a domain's console", "[options] <Domain>\n"
	  "-t <type>       pv, serial or vuart\n"
	  "-n <number>     which one of them\n"
	  "--log           print what was kept of its output", 0 },
	{ "vncviewer", cmd_later, false, false, "Connect to a domain's screen", "[options] <Domain>\n"
	  "--autopass, --vncviewer-autopass\n"
	  "                tell the viewer the password on its standard input (as -autopass)", 0 },
	{ "save", cmd_later, false, true, "Save a domain to a file", "[options] <Domain> <CheckpointFile> [<ConfigFile>]",
	  "-h  This help.\n"
	  "-c  Let it run on.\n"
	  "-p  Leave it paused.\n"
	  "-D  Keep its id for the restored one.\n" },
	{ "migrate", cmd_later, false, true, "Move a running domain to another host", "[options] <Domain> <host>",
	  "-h              This help.\n"
	  "-C <config>     Send that configuration instead of its own.\n"
	  "-s <sshcommand> By that command instead of ssh; none: <host> is the command, without\n"
	  "                migrate-receive [-d -e] behind it.\n"
	  "-e              Nobody waits for its end on <host>.\n"
	  "--debug         Tell everything.\n"
	  "-p              Leave it paused there.\n"
	  "-D              Keep its id.\n" },
	{ "restore", cmd_later, false, true, "Start a domain from a saved file", "[options] [<ConfigFile>] <CheckpointFile>",
	  "-h                       This help.\n"
	  "-p                       Leave it paused.\n"
	  "-e                       Nobody waits for its end.\n"
	  "-d                       Tell more.\n"
	  "-V, --vncviewer          Show its screen.\n"
	  "-A, --vncviewer-autopass The viewer is told the password on its standard input.\n" },
	{ "migrate-receive", cmd_later, false, true, "The other end of migrate", "- for internal use only", 0 },
	{ "dump-core", cmd_dump_core, false, true, "Write a domain's memory to a file", "<Domain> <filename>", 0 },
	{ "cd-insert", cmd_later, true, true, "Put a medium into a drive", "<Domain> <VirtualDevice> <path>", 0 },
	{ "cd-eject", cmd_later, true, true, "Take the medium out of a drive", "<Domain> <VirtualDevice>", 0 },
	{ "mem-max", cmd_mem_max, false, true, "Limit the memory a domain may have", MEMORY, 0 },
	{ "mem-set", cmd_mem_set, false, true, "Tell a domain how much memory to use", MEMORY, 0 },
	{ "button-press", cmd_button_press, false, true, "Press an ACPI button of a domain", "<Domain> <Button>",
	  "<Button> may be 'power' or 'sleep'.\n" },
	{ "vcpu-list", cmd_vcpu_list, false, false, "Show the virtual CPUs of all domains, or some", "[Domain, ...]", 0 },
	{ "vcpu-pin", cmd_vcpu_pin, true, true, "Say on which CPUs a virtual CPU may run", "[option] <Domain> <VCPU|all> <Hard affinity|-|all> <Soft affinity|-|all>",
	  "-f, --force        even if the domain's kernel has pinned it itself\n"
	  "--ignore-global-affinity-masks\n"
	  "                   even on CPUs that xl.conf keeps guests away from\n" },
	{ "vcpu-set", cmd_vcpu_set, false, true, "Say how many virtual CPUs a domain uses", "[option] <Domain> <vCPUs>",
	  "-i, --ignore-host  Even more than the machine has CPUs\n" },
	{ "vm-list", cmd_vm_list, false, false, "Show UUID, id and name of all domains", "", 0 },
	{ "info", cmd_info, false, false, "Show what is known of the machine and the hypervisor", "[options]",
	  "-n, --numa              Its topology too.\n" },
	{ "sharing", cmd_sharing, false, false, "Show how much memory domains share", "[Domain]", 0 },
	{ "sched-credit", cmd_sched_credit, false, true, "Show or change what the credit scheduler goes by", "[-d <Domain> [-w[=WEIGHT]|-c[=CAP]]] [-s [-t TSLICE] [-r RATELIMIT]] [-p CPUPOOL]",
	  "-d DOMAIN, --domain=DOMAIN        One domain\n"
	  "-w WEIGHT, --weight=WEIGHT        Its share\n"
	  "-c CAP, --cap=CAP                 Its limit, in percent of a CPU\n"
	  "-s         --schedparam           The scheduler itself\n"
	  "-t TSLICE, --tslice_ms=TSLICE     Its time slice, in ms\n"
	  "-r RLIMIT, --ratelimit_us=RLIMIT  Its shortest run, in us\n"
	  "-m DLY, --migration_delay_us=DLY  How long a CPU counts as warm, in us\n"
	  "-p CPUPOOL, --cpupool=CPUPOOL     One pool\n" },
	{ "sched-credit2", cmd_sched_credit2, false, true, "Show or change what the credit2 scheduler goes by", "[-d <Domain> [-w[=WEIGHT]]] [-p CPUPOOL]",
	  "-d DOMAIN, --domain=DOMAIN        One domain\n"
	  "-w WEIGHT, --weight=WEIGHT        Its share\n"
	  "-c CAP,    --cap=CAP              Its limit, in percent of a CPU\n"
	  "           --class=CLASS          How soon it runs: interactive, normal or batch\n"
	  "-s         --schedparam           The scheduler itself\n"
	  "-r RLIMIT, --ratelimit_us=RLIMIT  Its shortest run, in us\n"
	  "-p CPUPOOL, --cpupool=CPUPOOL     One pool\n" },
	{ "sched-rtds", cmd_sched_rtds, false, true, "Show or change what the rtds scheduler goes by", "[-d <Domain> [-v[=VCPUID/all]] [-p[=PERIOD]] [-b[=BUDGET]] [-e[=Extratime]]]",
	  "-d DOMAIN, --domain=DOMAIN     One domain\n"
	  "-v VCPUID/all, --vcpuid=VCPUID/all\n"
	  "                               Which virtual CPUs\n"
	  "-p PERIOD, --period=PERIOD     Period, in us\n"
	  "-b BUDGET, --budget=BUDGET     CPU time in it, in us\n"
	  "-e Extratime, --extratime=Extratime\n"
	  "                               1: also time nobody else wants\n" },
	{ "domid", cmd_domid, false, false, "Tell the id of a name", "<DomainName>", 0 },
	{ "domname", cmd_domname, false, false, "Tell the name of an id", "<DomainId>", 0 },
	{ "rename", cmd_rename, false, true, "Give a domain another name", "<Domain> <NewDomainName>", 0 },
	{ "trigger", cmd_trigger, false, true, "Send a virtual CPU an event of its machine", "<Domain> <nmi|reset|init|power|sleep|s3resume> [<VCPU>]", 0 },
	{ "sysrq", cmd_sysrq, false, true, "Send a domain's kernel a system request", "<Domain> <letter>", 0 },
	{ "debug-keys", cmd_debug_keys, false, true, "Press keys of the hypervisor's console", "<Keys>", 0 },
	{ "set-parameters", cmd_set_parameters, false, true, "Change options of the running hypervisor", "<Params>", 0 },
	{ "dmesg", cmd_dmesg, false, false, "Print the hypervisor's log", "[-c]",
	  "  -c, --clear               Empty it too\n"
	  "  --previous                The last words of a boot that crashed\n" },
	{ "top", cmd_top, false, false, "Watch what domains use", "[options]",
	  "-d, --delay=SECONDS   between two looks (3)\n"
	  "-n, --networks        network interfaces too\n"
	  "-x, --vbds            disks too\n"
	  "-r, --repeat-header   the header before each domain\n"
	  "-v, --vcpus           virtual CPUs too\n"
	  "-f, --full-name       names are not cut\n"
	  "-b, --batch           print, do not draw\n"
	  "-i, --iterations=N    end after so many looks\n" },
	{ "network-attach", cmd_network_attach, true, true, "Give a domain a network interface",
	  "<Domain> [type=<type>] [mac=<mac>] [bridge=<bridge>] [ip=<ip>] [script=<script>] [backend=<BackDomain>] [vifname=<name>] [rate=<rate>] [model=<model>] [accel=<accel>] [mtu=<mtu>]", 0 },
	{ "network-list", cmd_network_list, false, false, "Show the network interfaces of domains", "<Domain(s)>", 0 },
	{ "network-detach", cmd_network_detach, false, true, "Take a network interface from a domain", "<Domain> <DevId|mac>", 0 },
	{ "channel-list", cmd_channel_list, false, false, "Show the channels of domains", "<Domain(s)>", 0 },
	{ "block-attach", cmd_block_attach, true, true, "Give a domain a disk", DISK_WORDS, 0 },
	{ "block-list", cmd_block_list, false, false, "Show the disks of domains", "<Domain(s)>", 0 },
	{ "block-detach", cmd_block_detach, false, true, "Take a disk from a domain", "[option] <Domain> <DevId>",
	  "-f, --force        do not wait for the guest to let go\n" },
	{ "vtpm-attach", cmd_later, true, true, "Give a domain a TPM", "<Domain> [uuid=<uuid>] [backend=<BackDomain>]", 0 },
	{ "vtpm-list", cmd_later, false, false, "Show the TPMs of domains", "<Domain(s)>", 0 },
	{ "vtpm-detach", cmd_later, false, true, "Take a TPM from a domain", "<Domain> <DevId|uuid>", 0 },
	{ "vkb-attach", cmd_later, true, true, "Give a domain a keyboard", "<Domain> <vkb-spec-component(s)>...", 0 },
	{ "vkb-list", cmd_later, false, false, "Show the keyboards of domains", "<Domain(s)>", 0 },
	{ "vkb-detach", cmd_later, false, true, "Take a keyboard from a domain", "<Domain> <DevId>", 0 },
	{ "vdispl-attach", cmd_later, true, true, "Give a domain a display", "<Domain> [backend=<BackDomain>] [be-alloc=<BackAlloc>] [connectors='<Connectors>']", 0 },
	{ "vdispl-list", cmd_later, false, false, "Show the displays of domains", "<Domain(s)>", 0 },
	{ "vdispl-detach", cmd_later, false, true, "Take a display from a domain", "<Domain> <DevId>", 0 },
	{ "vsnd-attach", cmd_later, true, true, "Give a domain a sound card", "<Domain> <vsnd-spec-component(s)>...", 0 },
	{ "vsnd-list", cmd_later, false, false, "Show the sound cards of domains", "<Domain(s)>", 0 },
	{ "vsnd-detach", cmd_later, false, true, "Take a sound card from a domain", "<Domain> <DevId>", 0 },
	{ "uptime", cmd_uptime, false, false, "Tell how long domains have been up", "[-s] [Domain]", 0 },
	{ "claims", cmd_claims, false, false, "Show how much memory is promised to domains", "", 0 },
	{ "cpupool-create", cmd_cpupool_create, true, true, "Make a CPU pool", "[options] [<ConfigFile>] [Variable=value ...]",
	  "-h, --help                   This help.\n"
	  "-f FILE, --defconfig=FILE    The configuration file.\n"
	  "-n, --dryrun                 Only print what would be made, as xl -N does.\n"
	  "\nThe file's form is in xlcpupool.cfg(5).\n" },
	{ "cpupool-list", cmd_cpupool_list, false, false, "Show the CPU pools", "[-c|--cpus] [<CPU Pool>]",
	  "-c, --cpus                     which CPUs they have\n" },
	{ "cpupool-destroy", cmd_cpupool_destroy, false, true, "End a CPU pool", "<CPU Pool>", 0 },
	{ "cpupool-rename", cmd_cpupool_rename, false, true, "Give a CPU pool another name", "<CPU Pool> <new name>", 0 },
	{ "cpupool-cpu-add", cmd_cpupool_cpu_add, false, true, "Put CPUs into a pool", "<CPU Pool> <CPU nr>|node:<node nr>", 0 },
	{ "cpupool-cpu-remove", cmd_cpupool_cpu_remove, false, true, "Take CPUs out of a pool", "<CPU Pool> <CPU nr>|node:<node nr>", 0 },
	{ "cpupool-migrate", cmd_cpupool_migrate, false, true, "Move a domain into a CPU pool", "<Domain> <CPU Pool>", 0 },
	{ "cpupool-numa-split", cmd_cpupool_numa_split, false, true, "Make a CPU pool for each memory node", "", 0 },
	{ "getenforce", cmd_later, false, false, "Tell whether the XSM policy is enforced", "", 0 },
	{ "setenforce", cmd_later, false, true, "Enforce the XSM policy, or not", "<1|0|Enforcing|Permissive>", 0 },
	{ "loadpolicy", cmd_later, false, true, "Load an XSM policy", "<policy file>", 0 },
	{ "remus", cmd_later, false, true, "Keep a copy of a domain on another host", "[options] <Domain> [<host>]",
	  "-i MS              A checkpoint each so many milliseconds (200).\n"
	  "-u                 Memory is sent as it is.\n"
	  "-s <sshcommand>    As for migrate.\n"
	  "-e                 As for migrate.\n"
	  "-N <netbufscript>  The script that holds packets back.\n"
	  "-F                 -b, -n, -d are meant, although nothing is safe with them.\n"
	  "-b                 Checkpoints go to /dev/null.\n"
	  "-n                 Packets are not held back.\n"
	  "-d                 Disks are not copied.\n"
	  "-c                 By COLO; not with -i, -b, nor without -u.\n"
	  "-p                 COLO's proxy is a process.\n"
	  "-r                 Of migrate-receive: such a stream comes.\n" },
	{ "devd", cmd_devd, false, true, "Serve devices from a driver domain", "[options]",
	  "-F                      Stay in the foreground.\n"
	  "-p, --pidfile [FILE]    Write the process id there.\n" },
	{ "psr-hwinfo", cmd_later, false, true, "Show what the processor can share out", "[options]",
	  "-m, --cmt       Of the monitoring of caches\n"
	  "-a, --cat       Of the sharing out of caches\n"
	  "-b, --mba       Of the sharing out of the way to memory\n" },
	{ "psr-cmt-attach", cmd_later, false, true, "Monitor a domain's use of caches", "<Domain>", 0 },
	{ "psr-cmt-detach", cmd_later, false, true, "End the monitoring of a domain", "<Domain>", 0 },
	{ "psr-cmt-show", cmd_later, false, true, "Show what was monitored", "<PSR-CMT-Type> <Domain>", 0 },
	{ "psr-cat-set", cmd_later, false, true, "Share out the cache", "[options] <Domain> <CBM>",
	  "-s <socket>       On that socket, not on all\n"
	  "-l <level>        Of that cache, not of the third\n"
	  "-c                For code\n"
	  "-d                For data\n" },
	{ "psr-cat-show", cmd_later, false, true, "Show how the cache is shared out", "[options] <Domain>",
	  "-l <level>        Of that cache, not of the third\n" },
	{ "psr-mba-set", cmd_later, false, true, "Share out the way to memory", "[options] <Domain> <THRTL>",
	  "-s <socket>       On that socket, not on all\n" },
	{ "psr-mba-show", cmd_later, false, true, "Show how the way to memory is shared out", "<Domain>", 0 },
	{ "usbctrl-attach", cmd_later, false, true, "Give a domain a USB controller", "<Domain> [type=pv] [version=<version>] [ports=<number>]", 0 },
	{ "usbctrl-detach", cmd_later, false, true, "Take a USB controller from a domain", "<Domain> <DevId>", 0 },
	{ "usbdev-attach", cmd_later, false, true, "Give a domain a USB device", "<Domain> hostbus=<busnum> hostaddr=<devnum> [controller=<DevId> [port=<port>]]", 0 },
	{ "usbdev-detach", cmd_later, false, true, "Take a USB device from a domain", "<Domain> <controller> <port>", 0 },
	{ "usb-list", cmd_later, false, false, "Show the USB controllers and devices of a domain", "<Domain>", 0 },
	{ "qemu-monitor-command", cmd_later, false, true, "Speak with a domain's device model", "<Domain> <Command>", 0 },
	/* Ours. */
	{ "explain", cmd_explain, false, false, "Say why a domain did not start, is still dying, or what it waits for", "<Domain>", 0 },
	{ "metrics", cmd_metrics, false, false, "Print numbers about the machine and all domains as OpenMetrics", "", 0 },
};
/* clang-format on */

const unsigned nr_commands = sizeof(commands) / sizeof(commands[0]);
