#include "cringbench/machine.h"

// Written by Scripts/build.sh for the time of a build.
#if __has_include("commit.generated.h")
#include "commit.generated.h"
#else
#define CRB_COMMIT "unknown"
#endif

const char *crb_commit(void) { return CRB_COMMIT; }
