# Tells whether this system runs on Xen's interface.
$(eval $(call small_tool,xen-detect))
