// Sees every access to some pages, by trapping each: no access leaves the page and goes unseen, and none is seen twice.
//
// While a trace is on, the pages cannot be touched. An access faults; the handler of SIGSEGV writes it down, opens the
// pages and lets the one instruction run with the trap flag set; the handler of SIGTRAP closes them again. For one
// thread of a process that has the two signals for itself.
#ifndef CTRAP_H
#define CTRAP_H

#include <stddef.h>
#include <stdint.h>

/// One access; an instruction that reads and writes is a write.
struct ctrap_access {
  uintptr_t address;
  int is_write;
};

/// NULL where a trace can be made, else why it cannot.
const char *ctrap_lacks(void);

/// Adds whole pages to what is watched; false when there is no room for more.
int ctrap_watch(void *base, size_t bytes);

/// Lies from the second read on: what is at the address is changed by the mask once it has been read. False without
/// room.
int ctrap_lie(void *at, size_t bytes, uint64_t mask);

/// Watches nothing and lies nowhere.
void ctrap_forget(void);

/// Closes the pages; an errno value, or 0.
int ctrap_start(void);

/// Opens them; an errno value, or 0.
int ctrap_stop(void);

/// How many accesses there were since the start, those beyond the room for them included.
size_t ctrap_count(void);

/// How many can be kept.
size_t ctrap_room(void);

/// One of those kept, in the order in which they happened.
struct ctrap_access ctrap_access_at(size_t index);

#endif
