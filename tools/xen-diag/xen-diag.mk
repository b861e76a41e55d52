# Prints how much of its grant table a domain uses.
$(eval $(call small_tool,xen-diag,hcall))
