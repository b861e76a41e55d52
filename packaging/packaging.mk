# What leaves the tree: install, dist, packages. packaging/manifest is the list of files.
PACKAGES := hypervisor,guest,utils,common
comma := ,
PLACES := XEN_NAME PREFIX BOOT_DIR DEBUG_DIR LIBEXEC_DIR CONFIG_DIR SYSCONFIG_DIR INITD_DIR SYSTEMD_DIR MODULES_LOAD_DIR UDEV_DIR DOC_DIR BASH_COMPLETION_DIR \
        STATE_DIR QEMU_XEN
INSTALL_FACTS = 'BUILD=$(BUILD)' 'TOOLS=$(sort $(TOOLS))' 'STRIP=$(STRIP)' 'MODULES=$(LINUX_BACKEND_MODULES)' \
        $(foreach v,$(PLACES),'$(v)=$($(v))')
INSTALL = $(PYTHON) packaging/install.py
FOR_ALL = 'NAMES=direct' $(INSTALL_FACTS)
INIT_VARIANTS = $(subst $(eval ) ,$(comma),$(strip $(INIT)))

.PHONY: build world install install-xen install-tools install-guest uninstall dist distclean mrproper src-tarball deb debball rpm rpmball xenversion
build world: all

# The image, packed as boot loaders unpack it, and what it was built with.
$(BUILD)/hospes.gz: $(BUILD)/hospes
	@gzip -9n <$< >$@
$(BUILD)/hospes.config: $(BUILD)/gen/compile.h
	@{ echo '# Hospes $(HOSPES_VERSION), as Xen $(XEN_VERSION).$(XEN_SUBVERSION)$(XEN_EXTRAVERSION)'; \
	   echo 'CONFIG_X86_64=y'; echo 'CONFIG_HVM=y'; echo '# CONFIG_PV is not set'; \
	   echo '$(if $(filter y,$(debug)),CONFIG_DEBUG=y,# CONFIG_DEBUG is not set)'; \
	   echo '# date $(XEN_BUILD_DATE), SMBIOS_REL_DATE $(SMBIOS_REL_DATE), VGABIOS_REL_DATE $(VGABIOS_REL_DATE)'; } >$@
all: $(BUILD)/hospes.gz $(BUILD)/hospes.config $(BUILD)/hospes-syms.map

# What this machine needs: its kind of services, and nothing of other kinds.
install: all
	@$(INSTALL) install '$(DESTDIR)' $(PACKAGES) '$(INIT_VARIANTS)' $(FOR_ALL)
install-xen: all
	@$(INSTALL) install '$(DESTDIR)' hypervisor '$(INIT_VARIANTS)' $(FOR_ALL)
install-tools: all
	@$(INSTALL) install '$(DESTDIR)' guest,utils,common '$(INIT_VARIANTS)' $(FOR_ALL)
# What a domain other than 0 needs.
install-guest: all
	@$(INSTALL) install '$(DESTDIR)' guest '$(INIT_VARIANTS)' $(FOR_ALL)
uninstall:
	@$(INSTALL) uninstall '$(DESTDIR)' $(PACKAGES) systemd,sysv $(FOR_ALL)
# Everything, to be copied to another machine of any kind.
dist: all
	@$(INSTALL) install '$(DISTDIR)/install' $(PACKAGES) systemd,sysv $(FOR_ALL)

distclean mrproper: clean
	rm -rf '$(DISTDIR)'
xenversion:
	@echo $(XEN_VERSION).$(XEN_SUBVERSION)$(XEN_EXTRAVERSION)
src-tarball:
	@mkdir -p '$(DISTDIR)'
	git archive --format=tar --prefix=hospes-$(HOSPES_VERSION)/ HEAD | gzip -9n >'$(DISTDIR)/hospes-$(HOSPES_VERSION).tar.gz'

# Debian packages, below DISTDIR/deb.
DEB_VERSION := $(HOSPES_VERSION)$(PKG_RELEASE:%=-%)
XEN_FULL := $(XEN_VERSION).$(XEN_SUBVERSION)$(firstword $(subst -, ,$(XEN_EXTRAVERSION)))
# dpkg knows directories by the names Debian 12 has given them: by others it would take those of systemd for ours.
DEB_FACTS := SYSTEMD_DIR=/lib/systemd UDEV_DIR=/lib/udev
deb debball: all
	@$(PYTHON) packaging/deb.py '$(DISTDIR)/deb' $(DEB_VERSION) $(XEN_FULL) $(SOURCE_DATE_EPOCH) $(INSTALL_FACTS) $(DEB_FACTS)

# One RPM package, below DISTDIR/rpm.
rpm rpmball: all
	@$(PYTHON) packaging/rpm.py '$(DISTDIR)/rpm' $(HOSPES_VERSION) $(or $(PKG_RELEASE),1) $(SOURCE_DATE_EPOCH) $(FOR_ALL)
