# Manual pages: scripts/man.py makes them of docs/*.md; packaging/manifest says where they go.
.PHONY: man
man: $(BUILD)/man/made
$(BUILD)/man/made: $(wildcard docs/*.md) scripts/man.py
	@rm -rf $(@D)
	@SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(PYTHON) scripts/man.py $(@D) $(sort $(filter docs/%,$^))
	@touch $@
all: man
# The list of files is that of what is there.
uninstall: man
