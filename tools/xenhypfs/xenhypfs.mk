# The hypervisor's file system.
$(eval $(call small_tool,xenhypfs,hcall base,-lz -ljson-c))
