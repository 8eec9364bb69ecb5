// Blocks that are written, read and compared all the time, while the machine moves from one host to another.
//
//   move DEVICE THREADS
//
// Each thread owns a part of DEVICE. It writes a block of its part, whose every word follows from the block's number
// and from how often it was written, and reads another one into one of its buffers, whose every word is compared.
// What a buffer was read with is compared again before the next read goes there, and all blocks and buffers at the
// end: memory that the device wrote and the move forgot shows, also where nothing looked at it in between. O_DIRECT:
// each is a request of its own.
//
// The last block of DEVICE is the outside's: once its first word is not 0 everything is compared and the program
// ends. Prints "move: begun", and at the end "move: writes=... reads=... compared=...", or what differs and ends with
// 1.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { block_bytes = 16384, words = block_bytes / 8, buffers = 64, most_threads = 8 };

struct worker {
  pthread_t thread;
  int fd;
  uint64_t seed, first, blocks, writes, reads, compared;
  uint32_t *written;             // per block: how often it was written
  uint64_t *source, *buffer;     // what is written from; the buffers that are read into
  int64_t held[buffers];         // which block each buffer holds, -1: none
  uint32_t generation[buffers];  // as it was written then
};

static atomic_bool over;

static void die(const char *what) {
  printf("move: failed: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// The block's number is in the upper half of every word, as it stands.
static uint64_t word(uint64_t block, uint32_t generation, size_t i) {
  return block << 32 | (uint32_t)mix((block << 40 ^ (uint64_t)generation << 16 ^ i) + 0x9e3779b97f4a7c15u);
}

static void compare(struct worker *w, const uint64_t *found, uint64_t block, uint32_t generation, const char *when) {
  w->compared++;
  for (size_t i = 0; i < words; i++)
    if (found[i] != word(block, generation, i)) {
      printf("move: failed: block %llu, written %u times, %s: word %zu is %llx, not %llx; at %p\n",
             (unsigned long long)block, generation, when, i, (unsigned long long)found[i],
             (unsigned long long)word(block, generation, i), (const void *)&found[i]);
      exit(1);
    }
}

static void read_into(struct worker *w, int n, uint64_t own) {
  uint64_t *to = w->buffer + (size_t)n * words;
  if (w->held[n] >= 0) compare(w, to, w->first + (uint64_t)w->held[n], w->generation[n], "held since it was read");
  if (pread(w->fd, to, block_bytes, (off_t)((w->first + own) * block_bytes)) != block_bytes) die("a read");
  compare(w, to, w->first + own, w->written[own], "just read");
  w->held[n] = (int64_t)own;
  w->generation[n] = w->written[own];
  w->reads++;
}

static void *work(void *argument) {
  struct worker *w = argument;
  uint64_t state = w->seed;
  while (!atomic_load(&over)) {
    uint64_t own = mix(state += 0x9e3779b97f4a7c15u) % w->blocks;
    w->written[own]++;
    for (size_t i = 0; i < words; i++) w->source[i] = word(w->first + own, w->written[own], i);
    if (pwrite(w->fd, w->source, block_bytes, (off_t)((w->first + own) * block_bytes)) != block_bytes) die("a write");
    w->writes++;
    // One that was written a while ago, so that it holds something.
    for (int tries = 0; tries < 3; tries++) {
      uint64_t other = mix(state += 0x9e3779b97f4a7c15u) % w->blocks;
      if (w->written[other]) read_into(w, (int)(mix(state + 1) % buffers), other);
    }
  }
  for (int n = 0; n < buffers; n++)
    if (w->held[n] >= 0)
      compare(w, w->buffer + (size_t)n * words, w->first + (uint64_t)w->held[n], w->generation[n], "held to the end");
  for (uint64_t own = 0; own < w->blocks; own++)
    if (w->written[own]) read_into(w, 0, own);
  return NULL;
}

int main(int count, char **values) {
  int threads = count == 3 ? atoi(values[2]) : 0;
  if (threads < 1 || threads > most_threads) {
    printf("move: DEVICE THREADS, 1 to %d of them\n", most_threads);
    return 2;
  }
  int fd = open(values[1], O_RDWR | O_DIRECT);
  uint64_t size = 0, *word_outside;
  if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size)) die(values[1]);
  uint64_t blocks = size / block_bytes - 1;
  static struct worker workers[most_threads];
  for (int i = 0; i < threads; i++) {
    struct worker *w = &workers[i];
    w->fd = fd;
    w->seed = 77 + (uint64_t)i;
    w->blocks = blocks / (uint64_t)threads;
    w->first = (uint64_t)i * w->blocks;
    w->written = calloc(w->blocks, sizeof *w->written);
    if (!w->written || posix_memalign((void **)&w->source, 4096, block_bytes) ||
        posix_memalign((void **)&w->buffer, 4096, (size_t)buffers * block_bytes))
      die("memory");
    for (int n = 0; n < buffers; n++) w->held[n] = -1;
  }
  if (posix_memalign((void **)&word_outside, 4096, block_bytes) || mlockall(MCL_CURRENT | MCL_FUTURE)) die("memory");
  for (int i = 0; i < threads; i++)
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) die("a thread");
  printf("move: begun\n");
  fflush(stdout);
  do {
    usleep(100000);
    if (pread(fd, word_outside, block_bytes, (off_t)(blocks * block_bytes)) != block_bytes) die("a read");
  } while (*word_outside == 0);
  atomic_store(&over, true);
  uint64_t writes = 0, reads = 0, compared = 0;
  for (int i = 0; i < threads; i++) {
    pthread_join(workers[i].thread, NULL);
    writes += workers[i].writes;
    reads += workers[i].reads;
    compared += workers[i].compared;
  }
  printf("move: writes=%llu reads=%llu compared=%llu\n", (unsigned long long)writes, (unsigned long long)reads,
         (unsigned long long)compared);
  return 0;
}
