// The fixed load of a measured guest: random writes, then random reads of what was written, each of one block,
// O_DIRECT.
//
//   load DEVICE THREADS REQUESTS BLOCK_BYTES [FILE]
//
// Each thread owns a part of the device and waits for each of its REQUESTS writes, then for each of its REQUESTS reads,
// whose every word is compared with what was written last. The order of the blocks comes from a fixed generator: the
// same requests on every run. FILE, where given, holds a number (swiotlb's slots in use) whose highest value is looked
// for meanwhile. Prints one line a pass: "load: op=... requests=... bytes=... ns=... p50=... p90=... p99=... p999=...
// max=... peak=...".
#define _GNU_SOURCE
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "load.h"

struct worker {
  int fd;
  bool writes;
  uint64_t seed, first, blocks;
  size_t requests, bytes;
  uint64_t *buffer, *latency;
  uint32_t *written;  // per block: how often it was written so far; what it holds follows from that
};

static uint64_t next(uint64_t *state) {  // splitmix64
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static uint64_t word(uint64_t block, uint32_t generation, size_t i) {
  uint64_t state = block << 20 ^ (uint64_t)generation << 48 ^ i;
  return next(&state);
}

static void *work(void *argument) {
  struct worker *w = argument;
  size_t words = w->bytes / sizeof(uint64_t);
  uint64_t state = w->seed;
  for (size_t r = 0; r < w->requests; r++) {
    uint64_t own = next(&state) % w->blocks, block = w->first + own;
    // A read looks for a block that the same generator had the writes fill.
    if (w->writes) w->written[own]++;
    uint32_t generation = w->written[own];
    if (w->writes)
      for (size_t i = 0; i < words; i++) w->buffer[i] = word(block, generation, i);
    uint64_t start = now();
    ssize_t done = w->writes ? pwrite(w->fd, w->buffer, w->bytes, (off_t)(block * w->bytes))
                             : pread(w->fd, w->buffer, w->bytes, (off_t)(block * w->bytes));
    w->latency[r] = now() - start;
    if (done != (ssize_t)w->bytes) die(w->writes ? "a write" : "a read");
    if (w->writes) continue;
    for (size_t i = 0; i < words; i++)
      if (w->buffer[i] != word(block, generation, i)) {
        printf("load: failed: block %llu, word %zu, is not what was written\n", (unsigned long long)block, i);
        exit(1);
      }
  }
  return NULL;
}

// One pass of all threads; what it took goes to standard output.
static void pass(struct worker *workers, int threads, bool writes, struct watcher *watcher) {
  pthread_t thread[64];
  begin_watching(watcher);
  for (int i = 0; i < threads; i++) workers[i].writes = writes;
  uint64_t start = now();
  if (writes)
    MARK(1);
  else
    MARK(3);
  // One thread is this one: what starting another costs is not counted.
  for (int i = 1; i < threads; i++)
    if (pthread_create(&thread[i], NULL, work, &workers[i])) die("a thread");
  work(&workers[0]);
  for (int i = 1; i < threads; i++) pthread_join(thread[i], NULL);
  if (writes)
    MARK(2);
  else
    MARK(4);
  uint64_t took = now() - start;
  end_watching(watcher);
  // The threads' latencies follow one another.
  print_pass(writes ? "write" : "read", workers[0].requests * (size_t)threads, workers[0].bytes, took,
             workers[0].latency, watcher->peak);
}

int main(int count, char **values) {
  if (count != 5 && count != 6) {
    printf("load: DEVICE THREADS REQUESTS BLOCK_BYTES [FILE]\n");
    return 2;
  }
  int threads = atoi(values[2]);
  size_t requests = strtoull(values[3], NULL, 10), bytes = strtoull(values[4], NULL, 10);
  if (threads < 1 || threads > 64 || requests < 1 || bytes < 512 || bytes % 512) {
    printf("load: THREADS is 1 to 64, REQUESTS at least 1, BLOCK_BYTES a multiple of 512\n");
    return 2;
  }
  int fd = open(values[1], O_RDWR | O_DIRECT);
  if (fd < 0) die(values[1]);
  uint64_t size = 0;
  if (ioctl(fd, BLKGETSIZE64, &size)) die("its size");
  uint64_t blocks = size / bytes / (uint64_t)threads;
  if (blocks < 1) {
    printf("load: failed: %s has fewer blocks than there are threads\n", values[1]);
    return 1;
  }
  struct watcher watcher = {.path = count == 6 ? values[5] : NULL};
  struct worker workers[64];
  uint64_t *latency = calloc(requests * (size_t)threads, sizeof *latency);
  for (int i = 0; i < threads; i++) {
    struct worker *w = &workers[i];
    *w = (struct worker){.fd = fd,
                         .seed = 1000 + (uint64_t)i,
                         .first = (uint64_t)i * blocks,
                         .blocks = blocks,
                         .requests = requests,
                         .bytes = bytes,
                         .latency = latency + requests * (size_t)i};
    w->written = calloc(blocks, sizeof *w->written);
    if (!latency || !w->written || posix_memalign((void **)&w->buffer, 4096, bytes)) die("memory");
  }
  // No page faults while it is counted.
  if (mlockall(MCL_CURRENT | MCL_FUTURE)) die("memory that stays");
  pass(workers, threads, true, &watcher);
  if (fsync(fd)) die("a flush");
  pass(workers, threads, false, &watcher);
  return 0;
}
