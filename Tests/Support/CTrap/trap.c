#define _GNU_SOURCE
#include "CTrap.h"

#if defined(__x86_64__) && defined(__linux__)

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { room = 1 << 16, most_areas = 8, most_lies = 512 };

static const greg_t trap_flag = 0x100, fault_was_write = 2;

static struct {
  char *base;
  size_t bytes;
} areas[most_areas];

static struct {
  char *at;
  size_t bytes;
  uint64_t mask;
} lies[most_lies];

static int area_count, lie_count;
// What the instruction that is stepped over reads, or NULL.
static char *volatile reading;
static struct ctrap_access accesses[room];
static volatile size_t access_count;

static int protect(int protection) {
  for (int i = 0; i < area_count; i++)
    if (mprotect(areas[i].base, areas[i].bytes, protection)) return errno;
  return 0;
}

static int is_watched(const char *at) {
  for (int i = 0; i < area_count; i++)
    if (at >= areas[i].base && at < areas[i].base + areas[i].bytes) return 1;
  return 0;
}

// A fault that is not ours ends the process as it would have.
static void give_up(int number) {
  signal(number, SIG_DFL);
  raise(number);
}

static void on_fault(int number, siginfo_t *info, void *context) {
  ucontext_t *state = context;
  // A second fault with the flag set would be one at open pages.
  if (!is_watched(info->si_addr) || state->uc_mcontext.gregs[REG_EFL] & trap_flag) {
    give_up(number);
    return;
  }
  if (access_count < room) {
    accesses[access_count].address = (uintptr_t)info->si_addr;
    accesses[access_count].is_write = (state->uc_mcontext.gregs[REG_ERR] & fault_was_write) != 0;
  }
  access_count = access_count + 1;
  reading = state->uc_mcontext.gregs[REG_ERR] & fault_was_write ? NULL : info->si_addr;
  if (protect(PROT_READ | PROT_WRITE)) {
    give_up(number);
    return;
  }
  state->uc_mcontext.gregs[REG_EFL] |= trap_flag;
}

static void on_step(int number, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *state = context;
  state->uc_mcontext.gregs[REG_EFL] &= ~trap_flag;
  for (int i = 0; i < lie_count; i++) {
    if (!reading || lies[i].at != reading) continue;
    uint64_t value = 0;
    memcpy(&value, lies[i].at, lies[i].bytes);
    value ^= lies[i].mask;
    memcpy(lies[i].at, &value, lies[i].bytes);
    lies[i].at = NULL;
  }
  reading = NULL;
  if (protect(PROT_NONE)) give_up(number);
}

const char *ctrap_lacks(void) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return "the thread sanitizer delivers signals later and makes accesses of its own";
#endif
#endif
  return NULL;
}

int ctrap_watch(void *base, size_t bytes) {
  if (area_count == most_areas) return 0;
  areas[area_count].base = base;
  areas[area_count].bytes = bytes;
  area_count++;
  return 1;
}

int ctrap_lie(void *at, size_t bytes, uint64_t mask) {
  if (lie_count == most_lies || bytes > sizeof mask) return 0;
  lies[lie_count].at = at;
  lies[lie_count].bytes = bytes;
  lies[lie_count].mask = mask;
  lie_count++;
  return 1;
}

void ctrap_forget(void) { area_count = lie_count = 0; }

int ctrap_start(void) {
  struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
  if (sigaction(SIGSEGV, &fault, NULL) || sigaction(SIGTRAP, &step, NULL)) return errno;
  access_count = 0;
  return protect(PROT_NONE);
}

int ctrap_stop(void) {
  int code = protect(PROT_READ | PROT_WRITE);
  signal(SIGSEGV, SIG_DFL);
  signal(SIGTRAP, SIG_DFL);
  return code;
}

size_t ctrap_count(void) { return access_count; }

size_t ctrap_room(void) { return room; }

struct ctrap_access ctrap_access_at(size_t index) {
  return accesses[index];
}

#else

const char *ctrap_lacks(void) { return "single steps are taken on x86-64 Linux only"; }
int ctrap_watch(void *base, size_t bytes) { return (void)base, (void)bytes, 0; }
int ctrap_lie(void *at, size_t bytes, uint64_t mask) { return (void)at, (void)bytes, (void)mask, 0; }
void ctrap_forget(void) {}
int ctrap_start(void) { return 38; }
int ctrap_stop(void) { return 38; }
size_t ctrap_count(void) { return 0; }
size_t ctrap_room(void) { return 0; }
struct ctrap_access ctrap_access_at(size_t index) {
  return (void)index, (struct ctrap_access){0, 0};
}

#endif
