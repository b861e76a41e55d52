# Starts and stops domains with the host.
$(eval $(call small_tool,xendomains,store base,-ljson-c))
