#include "cringbench/machine.h"

// In a section of its own: Scripts/build.sh puts the commit there once the program is linked, so that a new commit
// compiles nothing. Volatile, because what stands here is not what is read.
__attribute__((section("ringkit_commit"), used)) static const volatile char commit[128] = "unknown";

const char *crb_commit(void) { return (const char *)commit; }
