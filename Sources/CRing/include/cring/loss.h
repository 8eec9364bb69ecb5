// Mappings of files that another process can take pages away from: it truncates one, or punches a hole into huge pages
// of which the machine has no more. The access that finds nothing there raises SIGBUS. For a mapping under watch that
// becomes a note, for that mapping alone: all of it is replaced by zeroed memory of this process, and what accesses it
// goes on.
#ifndef CRING_LOSS_H
#define CRING_LOSS_H

#include <stdbool.h>
#include <stddef.h>

struct cring_loss;

// Watches a mapping, whole pages of it. The first call installs the handler; every other SIGBUS goes to the handler
// that was there before. NULL: no memory, or the kernel refused.
struct cring_loss *cring_loss_watch(void *base, size_t bytes);

// Ends it, before the mapping goes. NULL: nothing.
void cring_loss_unwatch(struct cring_loss *watch);

// Whether pages were taken away: a load, for any thread.
bool cring_loss_happened(const struct cring_loss *watch);

#endif
