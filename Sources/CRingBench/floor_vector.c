#include "floor_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CRB_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))

bool crb_floor_has_vector(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

// The four words of one line, as the odd quadwords of a 64-byte vector.
static inline CRB_AVX512 __m512i flag_bits(void) {
  const long long f = (long long)(CRB_AVAIL | CRB_USED);
  return _mm512_set_epi64(f, 0, f, 0, f, 0, f, 0);
}

static inline CRB_AVX512 __m512i four(uint64_t bits) {
  const long long b = (long long)bits;
  return _mm512_set_epi64(b, 0, b, 0, b, 0, b, 0);
}

static inline uint64_t flags(uint16_t wrap) { return wrap ? CRB_AVAIL : CRB_USED; }
static inline uint64_t used_flags(uint16_t wrap) { return wrap ? CRB_AVAIL | CRB_USED : 0; }

static inline void step(uint32_t *next, uint16_t *wrap, uint32_t n, uint32_t size) {
  *next += n;
  if (*next >= size) {
    *next -= size;
    *wrap ^= 1;
  }
}

static inline CRB_AVX512 __attribute__((always_inline)) void drive(struct crb_floor *f, uint64_t target,
                                                                   bool in_order) {
  struct crb_side s = f->driver;
  const uint32_t size = f->size, mask = size - 1, depth = f->depth, batch = f->batch;
  const __m512i stride = _mm512_set_epi64(3ll << 32, 3 * 2048, 2ll << 32, 2 * 2048, 1ll << 32, 2048, 0, 0);
  const __m512i bits = flag_bits();
  while (s.returned != target) {
    while (s.returned != s.added) {
      if (in_order) {
        uint64_t word = __atomic_load_n(&f->descriptors[s.used_next].word, __ATOMIC_ACQUIRE);
        if ((word & (CRB_AVAIL | CRB_USED)) != used_flags(s.used_wrap)) break;
        uint32_t n = (((uint32_t)(word >> 32) - s.used_next) & mask) + 1;
        step(&s.used_next, &s.used_wrap, n, size);
        s.returned += n;
      } else {
        __m512i line = _mm512_load_si512((const void *)&f->descriptors[s.used_next]);
        __asm__ __volatile__("" ::: "memory");
        if (_mm512_cmpneq_epi64_mask(_mm512_and_si512(line, bits), four(used_flags(s.used_wrap))) != 0) break;
        s.sink += (uint64_t)_mm512_reduce_add_epi64(line);
        step(&s.used_next, &s.used_wrap, 4, size);
        s.returned += 4;
      }
    }
    while (s.added != target) {
      if (s.added - s.returned + batch > depth) break;
      for (uint32_t i = 0; i < batch; i += 4) {
        const long long word = (long long)(1500 | (uint64_t)s.next << 32 | flags(s.wrap));
        const long long address = (long long)(0x100000000ull + (uint64_t)s.next * 2048);
        __m512i line =
            _mm512_add_epi64(_mm512_set_epi64(word, address, word, address, word, address, word, address), stride);
        _mm512_store_si512((void *)&f->descriptors[s.next], line);
        step(&s.next, &s.wrap, 4, size);
      }
      s.added += batch;
      __asm__ __volatile__("" ::: "memory");
    }
  }
  f->driver = s;
}

static inline CRB_AVX512 __attribute__((always_inline)) void serve(struct crb_floor *f, uint64_t goal, bool in_order) {
  struct crb_side s = f->device;
  const uint32_t size = f->size, batch = f->batch;
  const __m512i bits = flag_bits();
  while (s.served != goal) {
    uint32_t first = s.next, n = 0;
    uint16_t wrap = s.wrap;
    while (n < batch) {
      __m512i line = _mm512_load_si512((const void *)&f->descriptors[s.next]);
      __asm__ __volatile__("" ::: "memory");
      if (_mm512_cmpneq_epi64_mask(_mm512_and_si512(line, bits), four(flags(s.wrap))) != 0) break;
      s.sink += (uint64_t)_mm512_reduce_add_epi64(line);
      if (!in_order) {
        __m512i used = _mm512_or_si512(_mm512_andnot_si512(bits, line), four(used_flags(s.wrap)));
        _mm512_store_si512((void *)&f->descriptors[s.next], used);
      }
      step(&s.next, &s.wrap, 4, size);
      n += 4;
    }
    if (n == 0) continue;
    if (in_order) {
      uint64_t last = (first + n - 1) & (size - 1);
      __atomic_store_n(&f->descriptors[first].word, last << 32 | used_flags(wrap), __ATOMIC_RELEASE);
    }
    s.served += n;
  }
  f->device = s;
}

CRB_AVX512 void crb_vector_drive(struct crb_floor *floor, uint64_t target, bool in_order) {
  if (in_order)
    drive(floor, target, true);
  else
    drive(floor, target, false);
}

CRB_AVX512 void crb_vector_serve(struct crb_floor *floor, uint64_t goal, bool in_order) {
  if (in_order)
    serve(floor, goal, true);
  else
    serve(floor, goal, false);
}

#else

bool crb_floor_has_vector(void) { return false; }
void crb_vector_drive(struct crb_floor *floor, uint64_t target, bool in_order) {
  (void)floor, (void)target, (void)in_order;
}
void crb_vector_serve(struct crb_floor *floor, uint64_t goal, bool in_order) {
  (void)floor, (void)goal, (void)in_order;
}

#endif
