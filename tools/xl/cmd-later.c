/* Verbs of features that this release does not have: each says which, and what can be done instead. */
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "xl.h"

static const struct later {
	const char *prefix; /* of the verb */
	const char *what, *next;
} later[] = {
	{ "save", "saving domains comes with a later release", "shut the domain down instead: xl shutdown -w" },
	{ "restore", "restoring domains comes with a later release", "start the domain anew: xl create" },
	{ "migrate", "migration comes with a later release", "shut the domain down here and create it there" },
	{ "remus", "replication comes with a later release", "use the replication of the guest's storage" },
	{ "pci-", "passing PCI devices to domains comes with a later release",
	  "give the domain disk= and vif= devices instead" },
	{ "cd-", "changing media is for HVM domains, which come with a later release",
	  "detach the disk and attach another: xl block-detach, xl block-attach" },
	{ "vncviewer", "screens are for HVM domains, which come with a later release", "use xl console" },
	{ "vtpm-", "virtual TPMs come with a later release", "do without: no other device replaces it" },
	{ "vkb-", "virtual keyboards come with a later release", "use xl console" },
	{ "vdispl-", "virtual displays come with a later release", "use xl console" },
	{ "vsnd-", "virtual sound comes with a later release", "send sound over the network" },
	{ "usb", "PV USB comes with a later release", "use usbip over the network" },
	{ "qemu-", "there is no QEMU as device model in this release", "use xl block-attach and xl network-attach" },
	{ "getenforce", "there is no XSM policy in this release", "see docs/compatibility.md" },
	{ "setenforce", "there is no XSM policy in this release", "see docs/compatibility.md" },
	{ "loadpolicy", "there is no XSM policy in this release", "see docs/compatibility.md" },
	{ "psr-", "platform shared resource control is not offered by this hypervisor",
	  "use cap= and cpu_weight= to share CPUs" },
};

int cmd_later(int argc, char **argv)
{
	const char *verb = xl_command()->name;

	/* Other options are those of the feature, and none of them is at fault. */
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-h") && strcmp(argv[i], "--help"))
			continue;
		command_help(xl_command());
		return XL_OK;
	}
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (strncmp(verb, later[i].prefix, strlen(later[i].prefix)) == 0)
			return xl_fail(ENOSYS, "comes-later", verb, later[i].next, "%s", later[i].what);
	return xl_fail(ENOSYS, "comes-later", verb, "see docs/compatibility.md", "it comes with a later release");
}
