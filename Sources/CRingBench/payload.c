#include "cringbench/payload.h"

#include <string.h>

// One binary for every x86-64 that still uses the widest vectors present. Not under a sanitizer: the resolvers run
// before its runtime is up.
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer) && !__has_feature(address_sanitizer)
#define CRB_VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CRB_VECTORISED
#endif

static const uint64_t step = 0x9e3779b97f4a7c15ull;

// The finaliser of splitmix64: neighbouring sequence numbers share no bits.
static inline uint64_t mix(uint64_t sequence) {
  uint64_t z = sequence + step;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

CRB_VECTORISED void crb_fill(void *destination, size_t bytes, uint64_t sequence) {
  unsigned char *to = destination;
  uint64_t word = mix(sequence);
  size_t words = bytes / 8;
  for (size_t i = 0; i < words; i++) {
    memcpy(to + 8 * i, &word, 8);
    word += step;
  }
  for (size_t i = 8 * words; i < bytes; i++) {
    to[i] = (unsigned char)word;
    word >>= 8;
  }
}

// Differences are gathered and looked at once: a branch per word would keep the loop from being vectorised.
CRB_VECTORISED bool crb_check(const void *source, size_t bytes, uint64_t sequence) {
  const unsigned char *from = source;
  uint64_t expected = mix(sequence), difference = 0;
  size_t words = bytes / 8;
  for (size_t i = 0; i < words; i++) {
    uint64_t word;
    memcpy(&word, from + 8 * i, 8);
    difference |= word ^ expected;
    expected += step;
  }
  for (size_t i = 8 * words; i < bytes; i++) {
    difference |= (uint64_t)(from[i] ^ (unsigned char)expected);
    expected >>= 8;
  }
  return difference == 0;
}

size_t crb_first_wrong_byte(const void *source, size_t bytes, uint64_t sequence) {
  const unsigned char *from = source;
  uint64_t first = mix(sequence);
  for (size_t i = 0; i < bytes; i++) {
    uint64_t word = first + (uint64_t)(i / 8) * step;
    if (from[i] != (unsigned char)(word >> (8 * (i % 8)))) return i;
  }
  return bytes;
}

// Word-wise where the part starts on a word of the whole, which is how the benchmark cuts; else byte by byte.
void crb_fill_part(void *destination, size_t bytes, size_t offset, uint64_t sequence) {
  unsigned char *to = destination;
  uint64_t first = mix(sequence);
  size_t i = 0;
  if (offset % 8 == 0) {
    for (; i + 8 <= bytes; i += 8) {
      uint64_t word = first + (uint64_t)((offset + i) / 8) * step;
      memcpy(to + i, &word, 8);
    }
  }
  for (; i < bytes; i++) {
    size_t at = offset + i;
    to[i] = (unsigned char)((first + (uint64_t)(at / 8) * step) >> (8 * (at % 8)));
  }
}

bool crb_check_part(const void *source, size_t bytes, size_t offset, uint64_t sequence) {
  const unsigned char *from = source;
  uint64_t first = mix(sequence), difference = 0;
  size_t i = 0;
  if (offset % 8 == 0) {
    for (; i + 8 <= bytes; i += 8) {
      uint64_t word;
      memcpy(&word, from + i, 8);
      difference |= word ^ (first + (uint64_t)((offset + i) / 8) * step);
    }
  }
  for (; i < bytes; i++) {
    size_t at = offset + i;
    difference |= (uint64_t)(from[i] ^ (unsigned char)((first + (uint64_t)(at / 8) * step) >> (8 * (at % 8))));
  }
  return difference == 0;
}
