/* Featuresets: CPUID words and halves of an MSR in an order of Xen's own (XEN_SYSCTL_get_cpu_featureset). */
#ifndef XEN_CPUID_FEATURES_H
#define XEN_CPUID_FEATURES_H

#include <stdint.h>

#define NR_FEATURE_WORDS 19
#define NR_STATIC_SETS 8

struct feature_word {
	const char *name;  /* where the processor has it */
	const char *brief; /* for columns */
	const char *bits;  /* names from bit 0 on, "." where there is none */
};
extern const struct feature_word feature_words[NR_FEATURE_WORDS];

/* Known, special to Xen, and what kinds of guests may get at most and by default; of Xen 4.17's own tables. */
struct static_set {
	const char *name;
	uint32_t words[NR_FEATURE_WORDS];
};
extern const struct static_set static_sets[NR_STATIC_SETS];

#endif
