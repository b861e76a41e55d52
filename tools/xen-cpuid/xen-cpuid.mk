# Shows featuresets and CPU policies.
$(eval $(call small_tool,xen-cpuid,hcall))
