/* Included first in every file by the build: nothing is ever exported, so code reaches all symbols directly and needs no GOT. */
#pragma GCC visibility push(hidden)
