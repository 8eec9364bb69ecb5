// CRing's functions where its Swift tests cannot run: compiled for arm64 and run under qemu-user, and natively as well.
// Prints what is wrong, and the number of checks at the end.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "CRing.h"

static unsigned checks, failures;

#define CHECK(condition)                                                  \
  do {                                                                    \
    checks++;                                                             \
    if (!(condition)) {                                                   \
      failures++;                                                         \
      fprintf(stderr, "checks.c:%d: not so: %s\n", __LINE__, #condition); \
    }                                                                     \
  } while (0)

// Each width: the value goes through whole, and nothing beside it changes.
#define WORDS(bits)                                                            \
  static void words_##bits(void) {                                             \
    uint##bits##_t word[3];                                                    \
    uint##bits##_t value = (uint##bits##_t)0x123456789abcdef0u;                \
    memset(word, 0xff, sizeof word);                                           \
    cring_store_relaxed_##bits(word + 1, value);                               \
    CHECK(cring_load_relaxed_##bits(word + 1) == value);                       \
    CHECK(cring_load_acquire_##bits(word + 1) == value);                       \
    uint##bits##_t other = (uint##bits##_t)(value * 3 + 1);                    \
    cring_store_release_##bits(word + 1, other);                               \
    CHECK(word[1] == other);                                                   \
    CHECK(word[0] == (uint##bits##_t) - 1 && word[2] == (uint##bits##_t) - 1); \
  }
WORDS(8)
WORDS(16)
WORDS(32)
WORDS(64)

static void words(void) {
  words_8();
  words_16();
  words_32();
  words_64();
  uint64_t counter = 5;
  CHECK(cring_fetch_add_relaxed_64(&counter, 3) == 5 && counter == 8);
  CHECK(cring_fetch_add_release_64(&counter, UINT64_MAX) == 8 && counter == 7);
  cring_fetch_max_relaxed_64(&counter, 6);
  CHECK(counter == 7);
  cring_fetch_max_relaxed_64(&counter, 9);
  CHECK(counter == 9);
  // At every offset, the ends of a page among them.
  unsigned char *page = aligned_alloc(4096, 8192);
  for (int i = 0; i < 8192; i++) page[i] = (unsigned char)(i * 7 + i / 256);
  for (int at = 4096 - 16; at <= 4096 + 16; at++) {
    uint64_t expected = 0;
    for (int i = 7; i >= 0; i--) expected = expected << 8 | page[at + i];
    CHECK(cring_load_unaligned_64(page + at) == expected);
  }
  free(page);
}

enum { rounds = 20000 };
static uint64_t box[64], flag, answer, lock_word, waits, guarded;
static uint32_t mine, theirs;
static unsigned asleep;

static void *receive(void *unused) {
  for (uint64_t round = 1; round <= rounds; round++) {
    while (cring_load_acquire_64(&flag) != round) cring_spin_hint();
    for (int i = 0; i < 64; i += 9) CHECK(box[i] == round);
    cring_store_release_64(&answer, round);
  }
  return unused;
}

static void *count(void *unused) {
  for (int i = 0; i < rounds; i++) {
    cring_lock_counting(&lock_word, &waits);
    guarded++;
    cring_unlock(&lock_word);
  }
  return unused;
}

static void threads(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, receive, NULL) == 0);
  for (uint64_t round = 1; round <= rounds; round++) {
    for (int i = 0; i < 64; i++) box[i] = round;
    cring_store_release_64(&flag, round);
    while (cring_load_acquire_64(&answer) != round) cring_spin_hint();
  }
  pthread_join(thread, NULL);
  CHECK(pthread_create(&thread, NULL, count, NULL) == 0);
  count(NULL);
  pthread_join(thread, NULL);
  CHECK(guarded == 2 * rounds);
  // Announce and look again, each fence once: they come back.
  cring_store_relaxed_32(&mine, 1);
  cring_cpu_full();
  if (!cring_load_relaxed_32(&theirs)) asleep++;
  cring_device_release();
  cring_device_acquire();
  cring_device_full();
  cring_cpu_release();
  cring_cpu_acquire();
  cring_prefetch_read(box);
  cring_prefetch_write(box, &box[1]);
  cring_prefetch_exclusive(box);
  cring_take_line(box);
  CHECK(asleep == 1);
}

// Lines are taken on Intel's CPUs alone, where there is an instruction for it (Documentation/ring-cost.md). Either way
// a prefetch is no access: memory that may not be touched may be fetched.
static void prefetches(void) {
#if defined(__x86_64__)
  char said[8192] = {0};
  FILE *file = fopen("/proc/cpuinfo", "re");
  CHECK(file && fread(said, 1, sizeof said - 1, file) > 0);
  if (file) fclose(file);
  CHECK(cring_takes_lines == (strstr(said, "GenuineIntel") && strstr(said, "3dnowprefetch")));
#endif
  const bool found = cring_takes_lines;
  char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(page != MAP_FAILED);
  for (int taken = 0; taken < 2; taken++) {
    cring_takes_lines = taken;
    for (size_t n = 0; n < 200; n++) cring_prefetch_write(page + n, page + 2 * n);
    cring_prefetch_read(page);
    cring_prefetch_exclusive(page);
  }
  cring_takes_lines = found;
  CHECK(munmap(page, 4096) == 0);
}

// Every length that has a way of its own, at every alignment: as memcpy and memset, and not a byte more.
static void copies(void) {
  unsigned char from[256], to[256], expected[256];
  for (size_t length = 0; length <= 140; length++) {
    for (size_t at = 0; at < 17; at++) {
      for (int i = 0; i < 256; i++) from[i] = (unsigned char)(i + length), to[i] = expected[i] = 0xee;
      memcpy(expected + at, from + 3, length);
      cring_copy(to + at, from + 3, length);
      CHECK(memcmp(to, expected, sizeof to) == 0);
      memset(expected + at, 0, length);
      cring_clear(to + at, length);
      CHECK(memcmp(to, expected, sizeof to) == 0);
      unsigned char copy[256];
      memcpy(copy, from, sizeof copy);
      memcpy(expected + at, from + 3, length);
      cring_move(to + at, from + 3, length);
      memset(copy + 3, 0, length);
      CHECK(memcmp(to, expected, sizeof to) == 0 && memcmp(from, copy, sizeof from) == 0);
    }
  }
}

static void memory(void) {
  void *block = NULL;
  CHECK(cring_allocate_aligned(100, 128, &block) == 0 && (uintptr_t)block % 128 == 0);
  cring_free_aligned(block);
  CHECK(cring_allocate_aligned(100, 24, &block) == EINVAL);
  struct cring_region region, other;
  CHECK(cring_region_map(4097, CRING_WANT_4K, 1, -1, "checks", &region) == 0);
  CHECK(region.bytes == 8192 && region.fd >= 0);
  ((char *)region.base)[8191] = 7;
  CHECK(cring_region_attach(dup(region.fd), 8192, 0, &other) == 0);
  CHECK(((char *)other.base)[8191] == 7);
  cring_region_unmap(&other);
  CHECK(cring_region_map_file(dup(region.fd), 4096 + 5, 8, 1, &other) == 0);
  ((char *)other.base)[0] = 9;
  CHECK(((char *)region.base)[4101] == 9);
  cring_region_unmap(&other);
  cring_region_unmap(&region);
  CHECK(cring_region_map(4096, CRING_WANT_4K, 0, 63, "checks", &region) == EINVAL);
  // What a store would end this process for is an error. qemu-user takes the call for advice, and answers 0.
  FILE *file = tmpfile();
  CHECK(file && ftruncate(fileno(file), 4096) == 0);
  void *base = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
  CHECK(base != MAP_FAILED && cring_region_populate(base, 4096, 4096) == 0);
  int error = cring_region_populate(base, 8192, 2u << 20);
  CHECK(error == ENOMEM || error == EOPNOTSUPP || (error == 0 && CRING_CHECKS_ARE_EMULATED));
  munmap(base, 8192);
  fclose(file);
  void *window = NULL;
  CHECK(cring_window_reserve(16384, &window) == 0);
  int fd = memfd_create("checks", MFD_CLOEXEC);
  CHECK(ftruncate(fd, 4096) == 0 && pwrite(fd, "x", 1, 0) == 1);
  CHECK(cring_window_show((char *)window + 4096, 4096, fd, 0, 0) == 0 && ((char *)window)[4096] == 'x');
  CHECK(cring_window_hide((char *)window + 4096, 4096) == 0);
  cring_window_release(window, 16384);
  close(fd);
}

static void registers(void) {
  uint16_t word[3] = {0xffff, 0xffff, 0xffff};
  cring_vfio_kick16(word + 1, 0x1234);
  CHECK(word[0] == 0xffff && word[1] == 0x1234 && word[2] == 0xffff);
  void *base = NULL;
  size_t mapped, lead;
  CHECK(cring_vfio_map_registers(-1, 3, 2, &base, &mapped, &lead) == EINVAL);
  struct cring_dma_device device = {.limit = 4095};
  const struct cring_dma_ops *ops = cring_dma_identity_ops();
  CHECK(cring_dma_map(ops, &device, 100, 10, 0) == 100);
  CHECK(cring_dma_map(ops, &device, 4090, 10, 0) == CRING_DMA_MAPPING_ERROR);
  cring_dma_unmap(ops, &device, 100, 10, 0);
}

static void sockets(void) {
  int pair[2], passed[8], bell;
  size_t received, count, sent;
  char bytes[32] = "hello";
  CHECK(cring_doorbell_create(&bell) == 0 && !cring_doorbell_take(bell));
  cring_doorbell_ring(bell);
  CHECK(cring_doorbell_wait(bell, 1000) && !cring_doorbell_take(bell));
  CHECK(cring_channel_pair(pair) == 0);
  CHECK(cring_channel_send(pair[0], bytes, 6, true) == 0);
  CHECK(cring_channel_receive(pair[1], bytes, sizeof bytes, &received) == 0 && received == 6);
  CHECK(cring_message_send(pair[0], bytes, 6, &bell, 1) == 0);
  CHECK(cring_message_receive(pair[1], bytes, sizeof bytes, &received, passed, 8, &count) == 0 && count == 1);
  cring_doorbell_ring(passed[0]);
  CHECK(cring_doorbell_take(bell));
  CHECK(fcntl(passed[0], F_SETFL, 0) == 0 && !cring_doorbell_take(bell));
  close(passed[0]);
  cring_channel_close(pair[0]);
  CHECK(cring_channel_receive(pair[1], bytes, sizeof bytes, &received) == 0 && received == 0);
  cring_channel_close(pair[1]);
  CHECK(cring_stream_pair(pair) == 0);
  CHECK(cring_stream_receive(pair[1], bytes, 6, &received, passed, 8, &count) == CRING_STREAM_WOULD_BLOCK);
  CHECK(cring_stream_send(pair[0], "stream", 6, &bell, 1, &sent) == 0 && sent == 6);
  CHECK(cring_stream_receive(pair[1], bytes, 6, &received, passed, 8, &count) == 0 && received == 6 && count == 1);
  CHECK(memcmp(bytes, "stream", 6) == 0 && cring_is_eventfd(passed[0]));
  close(passed[0]);
  close(pair[0]);
  close(pair[1]);
  cring_doorbell_close(bell);
}

static void machine(void) {
  uint64_t start = cring_nanoseconds(), cycles = cring_cycles();
  usleep(2000);
  CHECK(cring_nanoseconds() - start >= 2000000 && cring_cycles() > cycles);
  CHECK(cring_cycles_per_second() > 1000000);
  CHECK(cring_current_cpu() >= 0 && cring_cpu_usable(cring_current_cpu()));
  CHECK(cring_node_exists(0) && !cring_numa_built());
  CHECK(cring_has_retpoline() == (strcmp(CRING_CHECKS_MACHINE, "x86_64") == 0));
}

int main(void) {
  words();
  threads();
  prefetches();
  copies();
  memory();
  registers();
  sockets();
  machine();
  printf("checks: %u of CRing's on %s, %u failed\n", checks, CRING_CHECKS_MACHINE, failures);
  return failures != 0;
}
