# Prints a domain's event channels.
$(eval $(call small_tool,lsevtchn,hcall))
