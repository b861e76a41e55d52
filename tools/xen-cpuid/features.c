/* What the words of a featureset mean, and the sets that Xen 4.17 was built with. */
#include "features.h"

/* clang-format off */
const struct feature_word feature_words[NR_FEATURE_WORDS] = {
	{ "CPUID 0x00000001.edx", "1d",
	  "fpu vme de pse tsc msr pae mce cx8 apic . sysenter mtrr pge mca cmov pat pse36 psn clflush . ds "
	  "acpi mmx fxsr sse sse2 ss htt tm ia64 pbe" },
	{ "CPUID 0x00000001.ecx", "1c",
	  "sse3 pclmulqdq dtes64 monitor ds-cpl vmx smx est tm2 ssse3 cntx-id sdgb fma cx16 xtpr pdcm . "
	  "pcid dca sse41 sse42 x2apic movebe popcnt tsc-dl aesni xsave osxsave avx f16c rdrnd hyper" },
	{ "CPUID 0x80000001.edx", "e1d",
	  "fpu vme de pse tsc msr pae mce cx8 apic . syscall mtrr pge mca cmov fcmov pse36 . mp nx . mmx+ "
	  "mmx fxsr fxsr+ pg1g rdtscp . lm 3dnow+ 3dnow" },
	{ "CPUID 0x80000001.ecx", "e1c",
	  "lahf-lm cmp svm extapic cr8d lzcnt sse4a msse 3dnowpf osvw ibs xop skinit wdt . lwp fma4 tce . "
	  "nodeid . tbm topoext perfctr-core perfctr-nb . dbx perftsc pcx-l2i monitorx" },
	{ "CPUID 0x0000000d:1.eax", "Da1",
	  "xsaveopt xsavec xgetbv1 xsaves" },
	{ "CPUID 0x00000007:0.ebx", "7b0",
	  "fsgsbase tsc-adj sgx bmi1 hle avx2 fdp-exn smep bmi2 erms invpcid rtm pqm depfpp mpx pqe "
	  "avx512f avx512dq rdseed adx smap avx512-ifma pcommit clflushopt clwb proc-trace avx512pf "
	  "avx512er avx512cd sha avx512bw avx512vl" },
	{ "CPUID 0x00000007:0.ecx", "7c0",
	  "prefetchwt1 avx512-vbmi umip pku ospke waitpkg avx512-vbmi2 cet-ss gfni vaes vpclmulqdq "
	  "avx512-vnni avx512-bitalg . avx512-vpopcntdq . . . . . . . rdpid . . cldemote . movdiri "
	  "movdir64b enqcmd sgx-lc" },
	{ "CPUID 0x80000007.edx", "e7d",
	  ". . . . . . . hw-pstate itsc cpb efro" },
	{ "CPUID 0x80000008.ebx", "e8b",
	  "clzero . rstr-fp-err-ptrs . . . . . . wbnoinvd . . ibpb . ibrs amd-stibp ibrs-always "
	  "stibp-always ibrs-fast ibrs-same-mode no-lmsl . . ppin amd-ssbd virt-ssbd ssb-no . psfd btc-no "
	  "ibpb-ret" },
	{ "CPUID 0x00000007:0.edx", "7d0",
	  ". . avx512-4vnniw avx512-4fmaps fsrm . . . avx512-vp2intersect srbds-ctrl md-clear "
	  "rtm-always-abort . tsx-force-abort serialize hybrid tsxldtrk . pconfig . cet-ibt . . "
	  "avx512-fp16 . . ibrsb stibp l1d-flush arch-caps core-caps ssbd" },
	{ "CPUID 0x00000007:1.eax", "7a1",
	  ". . . . avx-vnni avx512-bf16 . . . . fzrm fsrs fsrcs" },
	{ "CPUID 0x80000021.eax", "e21a",
	  ". . lfence+ . . verw-clear nscb . auto-ibrs . . . . . . . . . . . . . . . . . . sbpb "
	  "ibpb-brtype srso-no srso-us-no srso-msr-fix" },
	{ "CPUID 0x00000007:1.ebx", "7b1",
	  "ppin" },
	{ "CPUID 0x00000007:2.edx", "7d2",
	  "intel-psfd ipred-ctrl rrsba-ctrl . bhi-ctrl mcdt-no" },
	{ "CPUID 0x00000007:1.ecx", "7c1",
	  "" },
	{ "CPUID 0x00000007:1.edx", "7d1",
	  ". . . . . . . . . . . . . . . . . . cet-sss" },
	{ "MSR_ARCH_CAPS.lo", "m10Al",
	  "rdcl-no eibrs rsba skip-l1dfl intel-ssb-no mds-no if-pschange-mc-no tsx-ctrl taa-no mcu-ctrl "
	  "misc-pkg-ctrl energy-ctrl doitm sbdr-ssdp-no fbsdp-no psdp-no . fb-clear fb-clear-ctrl rrsba "
	  "bhi-no xapic-status . ovrclk-status pbrsb-no gds-ctrl gds-no rfds-no rfds-clear" },
	{ "MSR_ARCH_CAPS.hi", "m10Ah",
	  ". . . . . . . . . . . . . . . . . . . . . . . . . . . . . . its-no" },
	{ "CPUID 0x80000021.ecx", "e21c",
	  ". tsa-sq-no tsa-l1-no" },
};

const struct static_set static_sets[NR_STATIC_SETS] = {
	{ "Known",
	  { 0xbfebfbff, 0xfffef3ff, 0xee500800, 0x2469bfff, 0x0000000f, 0xffbfffff, 0x3a405fdf,
	    0x00000780, 0x779fd205, 0xfc91ef1c, 0x00001c30, 0xf8000164, 0x00000001, 0x00000037,
	    0x00000000, 0x00040000, 0x1fbeffff, 0x40000000, 0x00000006 } },
	{ "Special",
	  { 0x10000200, 0xc8200000, 0x00000000, 0x00000002, 0x00000000, 0x01002850, 0x00000010,
	    0x00000000, 0x02000000, 0x20000c00, 0x00000000, 0x40000020, 0x00000000, 0x00000000,
	    0x00000000, 0x00000000, 0x100a0004, 0x40000000, 0x00000000 } },
	{ "PV Max",
	  { 0x1fc9cbf5, 0xf6d83203, 0xea500800, 0x042109e3, 0x00000007, 0xfdaf0b39, 0x1a405f43,
	    0x00000100, 0x64001005, 0xac01451c, 0x00001c30, 0x78000064, 0x00000000, 0x00000021,
	    0x00000000, 0x00000000, 0x1d12e173, 0x40000000, 0x00000006 } },
	{ "PV Default",
	  { 0x1fc9cbf5, 0xf6d83203, 0xea500800, 0x042109e3, 0x00000007, 0xfdaf0b29, 0x02405f43,
	    0x00000000, 0x64001005, 0xac00441c, 0x00001c30, 0x78000064, 0x00000000, 0x00000021,
	    0x00000000, 0x00000000, 0x1d12e173, 0x40000000, 0x00000006 } },
	{ "HVM Shadow Max",
	  { 0x1fcbfbff, 0xf7f83203, 0xea500800, 0x042109f3, 0x0000000f, 0xfdbf4bbb, 0x1a405f47,
	    0x00000100, 0x751fd005, 0xbc01451c, 0x00001c30, 0x78000064, 0x00000000, 0x00000037,
	    0x00000000, 0x00000000, 0x1d12e173, 0x40000000, 0x00000006 } },
	{ "HVM Shadow Default",
	  { 0x1fcbfbff, 0xf7f83203, 0xea500800, 0x042109f3, 0x0000000f, 0xfdbf0bab, 0x02405f47,
	    0x00000000, 0x751fd005, 0xbc00441c, 0x00001c30, 0x78000064, 0x00000000, 0x00000037,
	    0x00000000, 0x00000000, 0x1d12e173, 0x40000000, 0x00000006 } },
	{ "HVM Hap Max",
	  { 0x1fcbfbff, 0xf7fa3223, 0xee500800, 0x042109f7, 0x0000000f, 0xfdbf4fbb, 0x1a405f4f,
	    0x00000100, 0x751fd005, 0xbc01451c, 0x00001c30, 0x78000064, 0x00000000, 0x00000037,
	    0x00000000, 0x00000000, 0x1d12e173, 0x40000000, 0x00000006 } },
	{ "HVM Hap Default",
	  { 0x1fcbfbff, 0xf7fa3203, 0xee500800, 0x042109f3, 0x0000000f, 0xfdbf0fab, 0x02405f4f,
	    0x00000000, 0x751fd005, 0xbc00441c, 0x00001c30, 0x78000064, 0x00000000, 0x00000037,
	    0x00000000, 0x00000000, 0x1d12e173, 0x40000000, 0x00000006 } },
};
/* clang-format on */
