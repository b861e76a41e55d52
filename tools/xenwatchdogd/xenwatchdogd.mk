# Keeps the hypervisor from rebooting a host that is alive.
$(eval $(call small_tool,xenwatchdogd,hcall))
