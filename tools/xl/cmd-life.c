/* xl destroy, shutdown, reboot, pause, unpause, rename, config-less events: trigger, sysrq, button-press. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cmd.h"
#include "domains.h"
#include "hcall/hcall.h"
#include "store/store.h"
#include "xl.h"

int cmd_destroy(int argc, char **argv)
{
	static const struct option longs[] = { { "force", 0, NULL, 'f' }, { "help", 0, NULL, 'h' }, { 0 } };
	bool force = xl_force();
	uint32_t domid;
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "f", longs, 1)) >= 0)
		force |= opt == 'f';
	domid = domain_find(argv[optind]);
	if (domid == 0 && !force && xl_json())
		return xl_fail(EPERM, "control-domain", "destroy", "shut the machine down instead: systemctl poweroff",
			       "domain 0 controls the machine");
	if (domid == 0 && !force) {
		return xl_refuse(EPERM, "control-domain", "destroy", "shut the machine down instead",
				 "Not destroying domain 0; use -f to force.\n"
				 "This can only be done when using a disaggregated hardware domain and toolstack.\n");
	}
	return xl_do("domain.destroy", xl_domain_params(domid));
}

/* @wait: 1, until the domain is down and what its configuration wants then was done; 2, until it is gone. */
static struct json_object *down_params(uint32_t domid, bool fallback, unsigned wait)
{
	struct json_object *params = xl_domain_params(domid);

	json_object_object_add(params, "fallback", json_object_new_boolean(fallback));
	json_object_object_add(params, "wait", json_object_new_boolean(wait > 0));
	json_object_object_add(params, "gone", json_object_new_boolean(wait > 1));
	return params;
}

/* Tell about it, unless it is because the domain has gone down by itself meanwhile. */
static int take_down_one(const char *method, uint32_t domid, bool fallback, unsigned wait)
{
	struct json_object *result;
	struct problem p;

	problem_init(&p);
	result = xl_ask(method, down_params(domid, fallback, wait), &p);
	json_object_put(result);
	if (result || strcmp(p.code, "no-such-domain") == 0 || strcmp(p.code, "domain-destroyed") == 0)
		return XL_OK;
	return xl_problem(&p);
}

/* All are asked before one is waited for. */
static int take_down_all(const char *method, const char *doing, bool fallback, unsigned wait)
{
	struct domains l = domains_list();
	int rc = XL_OK;

	for (unsigned i = 0; i < l.nr; i++) {
		struct xen_domctl_getdomaininfo *info = &l.d[i].info;
		uint32_t domid = info->domain;

		if (domid == 0 || (info->flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying))) {
			info->domain = 0;
			continue;
		}
		if (!xl_json())
			printf("%s domain %u\n", doing, domid);
		fflush(stdout);
		if (take_down_one(method, domid, fallback, 0)) {
			rc = XL_FAILED;
			info->domain = 0;
		}
	}
	for (unsigned i = 0; wait && i < l.nr; i++)
		if (l.d[i].info.domain && take_down_one("domain.wait", l.d[i].info.domain, false, wait))
			rc = XL_FAILED;
	domains_free(&l);
	return rc;
}

/* Shut down or reboot one, or all but domain 0. */
static int take_down(int argc, char **argv, const char *method, const char *doing)
{
	static const struct option longs[] = {
		{ "all", 0, NULL, 'a' }, { "wait", 0, NULL, 'w' }, { "help", 0, NULL, 'h' }, { 0 }
	};
	bool all = false, fallback = false;
	unsigned wait = 0;
	uint32_t domid;
	int opt;

	while ((opt = xl_option(xl_command(), argc, argv, "awF", longs, 0)) >= 0) {
		all |= opt == 'a';
		wait += opt == 'w';
		fallback |= opt == 'F';
	}
	if (optind >= argc && !all) {
		return xl_refuse(EINVAL, "bad-request", xl_command()->name, "name a domain: see xl list",
				 "You must specify -a or a domain id.\n");
	}
	if (all)
		return take_down_all(method, doing, fallback, wait);
	domid = domain_find(argv[optind]);
	if (!xl_json())
		printf("%s domain %u\n", doing, domid);
	fflush(stdout);
	return xl_do(method, down_params(domid, fallback, wait));
}

int cmd_shutdown(int argc, char **argv)
{
	return take_down(argc, argv, "domain.shutdown", "Shutting down");
}

int cmd_reboot(int argc, char **argv)
{
	return take_down(argc, argv, "domain.reboot", "Rebooting");
}

static int plain(int argc, char **argv, const char *method)
{
	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 1) >= 0)
		;
	return xl_do(method, xl_domain_params(domain_find(argv[optind])));
}

int cmd_pause(int argc, char **argv)
{
	return plain(argc, argv, "domain.pause");
}

int cmd_unpause(int argc, char **argv)
{
	return plain(argc, argv, "domain.unpause");
}

int cmd_rename(int argc, char **argv)
{
	struct json_object *params, *result;
	struct problem p;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	params = xl_domain_params(domain_find(argv[optind]));
	json_object_object_add(params, "name", json_object_new_string(argv[optind + 1]));
	problem_init(&p);
	result = xl_ask("domain.rename", params, &p);
	if (!result) {
		xl_problem(&p);
		if (!xl_json())
			fprintf(stderr, "Can't rename domain '%s'.\n", argv[optind]);
		return XL_FAILED;
	}
	if (xl_json())
		return xl_print_json(result);
	json_object_put(result);
	return XL_OK;
}

/* Events ------------------------------------------------------------------------------------------------------ */

static int send_trigger(uint32_t domid, uint32_t trigger, uint32_t vcpu)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_sendtrigger, .domain = (domid_t)domid };
	int rc;

	op.u.sendtrigger.trigger = trigger;
	op.u.sendtrigger.vcpu = vcpu;
	rc = hcall_domctl(xl_hcall(), &op);
	if (rc >= 0)
		return XL_OK;
	/* Power and sleep are of ACPI's buttons, which domains without one do not have. */
	if (rc == -ENOSYS || rc == -EOPNOTSUPP)
		return xl_fail(-rc, "not-supported", "trigger", "use xl shutdown: the guest has PV control",
			       "this domain has no such line or button");
	return xl_hcall_failed(rc, domid, "trigger", "it");
}

int cmd_trigger(int argc, char **argv)
{
	static const char *const names[] = { "nmi", "reset", "init", "power", "sleep", "s3resume" };
	uint32_t domid, vcpu = 0, i;
	char *end;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	domid = domain_find(argv[optind]);
	for (i = 0; i < 6 && strcasecmp(argv[optind + 1], names[i]); i++)
		;
	if (i == 6) {
		return xl_refuse(EINVAL, "bad-value", "trigger", "use nmi, reset, init, power, sleep or s3resume",
				 "Invalid trigger \"%s\"", argv[optind + 1]);
	}
	if (argc - optind > 2) {
		vcpu = (uint32_t)strtoul(argv[optind + 2], &end, 10);
		if (!isdigit((unsigned char)*argv[optind + 2]) || *end) {
			vcpu = 0;
			fprintf(stderr, "Invalid vcpuid, using default vcpuid=%u.\n\n", vcpu);
		}
	}
	if (i == 5)
		return xl_fail(ENOSYS, "comes-later", "trigger", "use it on HVM domains, with a release that has them",
			       "s3resume is for HVM domains, which this release does not have");
	return send_trigger(domid, i, vcpu);
}

int cmd_sysrq(int argc, char **argv)
{
	const char *letter;
	char path[64];
	uint32_t domid;
	int err;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	domid = domain_find(argv[optind]);
	letter = argv[optind + 1];
	if (strlen(letter) != 1) {
		if (!xl_json())
			command_help(xl_command());
		return xl_refuse(EINVAL, "bad-value", "sysrq", "give one letter: h lists them on the guest's console",
				 "Invalid sysrq.\n");
	}
	snprintf(path, sizeof(path), "/local/domain/%u/control/sysrq", domid);
	err = store_write(xl_store(), 0, path, letter, 1);
	return err ? xl_fail(err, "store-refused", "sysrq", "see that xenstored runs and we are in the control domain",
			     "%s could not be written: %s", path, strerror(err)) :
		     XL_OK;
}

int cmd_button_press(int argc, char **argv)
{
	const char *button;
	uint32_t domid;

	while (xl_option(xl_command(), argc, argv, "", XL_NO_LONG, 2) >= 0)
		;
	if (!xl_json())
		fprintf(stderr, "WARNING: \"button-press\" is deprecated. Please use \"trigger\"\n");
	domid = domain_find(argv[optind]);
	button = argv[optind + 1];
	if (strcmp(button, "power") && strcmp(button, "sleep")) {
		return xl_refuse(EINVAL, "bad-value", "button-press", "use power or sleep",
				 "%s is an invalid button identifier", button);
	}
	return send_trigger(domid,
			    strcmp(button, "power") ? XEN_DOMCTL_SENDTRIGGER_SLEEP : XEN_DOMCTL_SENDTRIGGER_POWER, 0);
}
