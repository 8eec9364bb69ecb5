// The pairs of Documentation/ordering.md under the C11 memory model, each as the accesses that its two sides make, in
// every execution that the model allows (relacy). The spin models beside it follow whole rings through a memory of
// stores that leave late; here a load may also find any older value that nothing forbids, and plain data may not race.
//
// Each half stands under its label, and is what CRing's function compiles from: a release store, an acquire load, a
// full fence. A run weakens one of them to relaxed, or leaves the fence out, and must be caught.

#include <cstdio>
#include <cstring>
#include <fstream>
#include <relacy/relacy.hpp>

typedef rl::atomic<unsigned> Word;
typedef rl::var<unsigned> Plain;

static const rl::memory_order relaxed = rl::mo_relaxed;

// The half that this run weakens.
static const char *weak = "";

static bool isWeak(const char *label) { return std::strcmp(weak, label) == 0; }
static rl::memory_order acquire(const char *label) { return isWeak(label) ? relaxed : rl::mo_acquire; }
static rl::memory_order release(const char *label) { return isWeak(label) ? relaxed : rl::mo_release; }
static void full(const char *label) {
  if (!isWeak(label)) rl::atomic_thread_fence(rl::mo_seq_cst, $);
}

// A request and its reply through a split ring of one entry; the driver then writes its next request there.
struct SplitRing : rl::test_suite<SplitRing, 2> {
  Word available, head, used, id;
  Plain request, reply;

  void before() {
    available($) = 0, head($) = 0, used($) = 0, id($) = 0;
    request($) = 0, reply($) = 0;
  }

  void thread(unsigned side) {
    if (side == 0) {
      request($) = 1;
      head.store(3, relaxed, $);
      available.store(1, release("B1"), $);
      if (used.load(acquire("B4"), $) != 1) return;
      RL_ASSERT(id.load(relaxed, $) == 3 && reply($) == 1);
      // The device has finished reading.
      request($) = 2;
    } else {
      if (available.load(acquire("B2"), $) != 1) return;
      RL_ASSERT(head.load(relaxed, $) == 3 && request($) == 1);
      reply($) = 1;
      id.store(3, relaxed, $);
      used.store(1, release("B3"), $);
    }
  }
};

// The same through a packed ring: a list of two descriptors, of which the first one's word is stored last.
struct PackedRing : rl::test_suite<PackedRing, 2> {
  enum { none, available, used };
  Word word[2], address[2];
  Plain request, reply;

  void before() {
    for (int i = 0; i < 2; i++) word[i]($) = none, address[i]($) = 0;
    request($) = 0, reply($) = 0;
  }

  void thread(unsigned side) {
    if (side == 0) {
      request($) = 1;
      for (int i = 0; i < 2; i++) address[i].store(5, relaxed, $);
      word[1].store(available, relaxed, $);
      word[0].store(available, release("B9"), $);
      if (word[0].load(acquire("B12"), $) != used) return;
      RL_ASSERT(reply($) == 1);
      request($) = 2;
    } else {
      if (word[0].load(acquire("B10"), $) != available) return;
      // P10, P15.
      RL_ASSERT(word[1].load(relaxed, $) == available);
      RL_ASSERT(address[0].load(relaxed, $) == 5 && address[1].load(relaxed, $) == 5 && request($) == 1);
      reply($) = 1;
      word[0].store(used, release("B11"), $);
    }
  }
};

// One side publishes and asks whether to notify, the other asks to be notified and looks again before it sleeps.
struct Announcement {
  const char *publisher, *sleeper;
};
static Announcement labels;

struct SplitAnnouncement : rl::test_suite<SplitAnnouncement, 2> {
  Word index, event;
  bool rings, looks;

  void before() {
    // An event of long ago: no thread waits.
    index($) = 0, event($) = 0x8000;
  }

  void thread(unsigned side) {
    if (side == 0) {
      index.store(1, rl::mo_release, $);
      full(labels.publisher);
      unsigned wish = event.load(relaxed, $);
      // RingIndex.crossed of the first entry.
      rings = ((1 - wish - 1) & 0xffff) < 1;
    } else {
      event.store(0, relaxed, $);
      full(labels.sleeper);
      looks = index.load(relaxed, $) != 0;
    }
  }

  void after() { RL_ASSERT(rings || looks); }
};

struct PackedAnnouncement : rl::test_suite<PackedAnnouncement, 2> {
  enum { disable = 1 << 16, wanted = 2 << 16 | 0x8000 };
  Word word, suppression;
  bool rings, looks;

  void before() { word($) = 0, suppression($) = disable; }

  void thread(unsigned side) {
    if (side == 0) {
      word.store(1, rl::mo_release, $);
      full(labels.publisher);
      // Flags, wrap counter and offset in one load.
      rings = suppression.load(relaxed, $) == wanted;
    } else {
      suppression.store(wanted, relaxed, $);
      full(labels.sleeper);
      looks = word.load(relaxed, $) == 1;
    }
  }

  void after() { RL_ASSERT(rings || looks); }
};

// A driver makes a table and enters it; a walk finds the entry.
struct PageTable : rl::test_suite<PageTable, 2> {
  Word entry;
  Plain table;

  void before() { entry($) = 0, table($) = 99; }

  void thread(unsigned side) {
    if (side == 0) {
      table($) = 0;
      entry.store(1, release("PageTable.store"), $);
    } else if (entry.load(acquire("PageTable.load"), $) == 1) {
      RL_ASSERT(table($) == 0);
    }
  }
};

// Unmap: entry cleared, descriptor written, tail raised; the translator forgets and says so; the range and the slot are
// free.
struct Invalidation : rl::test_suite<Invalidation, 2> {
  Word entry, tail, status;
  Plain slot, iotlb;

  void before() { entry($) = 1, tail($) = 0, status($) = 0, slot($) = 0, iotlb($) = 1; }

  void thread(unsigned side) {
    if (side == 0) {
      entry.store(0, relaxed, $);
      slot($) = 7;
      tail.store(2, release("flush"), $);
      if (status.load(acquire("ThreadServers.progress"), $) != 2) return;
      RL_ASSERT(iotlb($) == 0);
      slot($) = 8;
    } else {
      if (tail.load(acquire("isIdle, serve"), $) != 2) return;
      RL_ASSERT(slot($) == 7);
      iotlb($) = 0;
      // A walk behind the invalidation.
      RL_ASSERT(entry.load(relaxed, $) == 0);
      status.store(2, release("serve"), $);
    }
  }
};

// A range whose unmap was deferred, against a flush that another mapper begins.
struct DeferredFlush : rl::test_suite<DeferredFlush, 2> {
  Word entry, begun;
  unsigned counted, found;

  void before() { entry($) = 1, begun($) = 0; }

  void thread(unsigned side) {
    if (side == 0) {
      entry.store(0, relaxed, $);
      full("FlushQueue.add");
      counted = begun.load(relaxed, $);
    } else {
      begun.store(1, relaxed, $);
      full("FlushQueue.flush");
      found = entry.load(relaxed, $);
    }
  }

  // Not counted as begun: its end frees the range, so it must not have found the entry.
  void after() { RL_ASSERT(counted == 1 || found == 0); }
};

// Three parties: a mapper posts, a device in another process answers, another mapper compares the answer with the tail.
struct SharedDomain : rl::test_suite<SharedDomain, 3> {
  Word own, published, completion;
  Plain slot;

  void before() { own($) = 0, published($) = 0, completion($) = 0, slot($) = 0; }

  void thread(unsigned party) {
    if (party == 0) {
      slot($) = 7;
      own.store(2, rl::mo_release, $);
      published.store(2, release("ProcessServers.publish"), $);
    } else if (party == 1) {
      if (published.load(acquire("SharedRequests.serve"), $) != 2) return;
      RL_ASSERT(slot($) == 7);
      completion.store(2, release("SharedRequests.finish"), $);
    } else {
      unsigned done = completion.load(acquire("ProcessServers.completion"), $);
      RL_ASSERT(done <= own.load(rl::mo_acquire, $));
    }
  }
};

// A flush is over in every IOTLB; another mapper frees what it covered.
struct FinishedFlush : rl::test_suite<FinishedFlush, 2> {
  Word finished;
  Plain iotlb;

  void before() { finished($) = 0, iotlb($) = 1; }

  void thread(unsigned side) {
    if (side == 0) {
      iotlb($) = 0;
      if (!isWeak("FlushQueue.flush's fence")) rl::atomic_thread_fence(rl::mo_release, $);
      finished.fetch_add(1, relaxed, $);
    } else if (finished.load(acquire("FlushQueue.freeFinished"), $) == 1) {
      RL_ASSERT(iotlb($) == 0);
    }
  }
};

// A lock: what it guards is plain data.
struct Lock : rl::test_suite<Lock, 2> {
  Word word;
  Plain guarded;

  void before() { word($) = 0, guarded($) = 0; }

  void thread(unsigned) {
    if (word.exchange(1, acquire("cring_lock"), $) != 0) return;
    guarded($) = guarded($) + 1;
    word.store(0, release("cring_unlock"), $);
  }
};

// Its own allocator finds a free of what it did not give: nothing of the library's may be allocated in a run.
static std::ofstream nowhere;
static int wrong, good, caught;
static unsigned long executions;

template <typename Test>
static rl::test_result_e explore(unsigned long &count) {
  rl::test_params parameters;
  parameters.search_type = rl::sched_full;
  parameters.output_stream = &nowhere;
  parameters.progress_stream = &nowhere;
  rl::ostringstream state;
  rl::test_result_e result =
      rl::run_test<Test, rl::full_search_scheduler<Test::params::thread_count> >(parameters, state, false);
  count = parameters.stop_iteration;
  return result;
}

template <typename Test>
static void check(const char *name, const char *const *halves) {
  unsigned long count = 0;
  weak = "";
  rl::test_result_e result = explore<Test>(count);
  if (result == rl::test_result_success) {
    std::printf("pairs   %-26sholds in all of its %lu executions\n", name, count);
    good++;
    executions += count;
  } else {
    std::printf("pairs   %-26sDOES NOT HOLD: %s\n", name, rl::test_result_str(result));
    wrong++;
  }
  for (; *halves; halves++) {
    weak = *halves;
    result = explore<Test>(count);
    const char *text = result == rl::test_result_data_race            ? "a data race"
                       : result == rl::test_result_user_assert_failed ? "an assertion fails"
                                                                      : 0;
    if (text) {
      std::printf("pairs   %-26scaught: %s\n", weak, text);
      caught++;
    } else {
      std::printf("pairs   %-26sNOT CAUGHT: %s\n", weak, rl::test_result_str(result));
      wrong++;
    }
  }
}

template <typename Test>
static void check(const char *name, Announcement pair) {
  labels = pair;
  const char *const halves[] = {pair.publisher, pair.sleeper, 0};
  check<Test>(name, halves);
}

#define HALVES(...) \
  (const char *const[]) { __VA_ARGS__, 0 }

int main() {
  nowhere.open("/dev/null");
  check<SplitRing>("split ring", HALVES("B1", "B2", "B3", "B4"));
  check<SplitAnnouncement>("split, driver publishes", Announcement{"B5", "B6"});
  check<SplitAnnouncement>("split, device publishes", Announcement{"B7", "B8"});
  check<PackedRing>("packed ring", HALVES("B9", "B10", "B11", "B12"));
  check<PackedAnnouncement>("packed, driver publishes", Announcement{"B13", "B14"});
  check<PackedAnnouncement>("packed, device publishes", Announcement{"B15", "B16"});
  check<PageTable>("page table", HALVES("PageTable.store", "PageTable.load"));
  check<Invalidation>("invalidation queue", HALVES("flush", "isIdle, serve", "serve", "ThreadServers.progress"));
  check<DeferredFlush>("deferred unmap", HALVES("FlushQueue.add", "FlushQueue.flush"));
  check<SharedDomain>("shared domain", HALVES("ProcessServers.publish", "SharedRequests.serve", "SharedRequests.finish",
                                              "ProcessServers.completion"));
  check<FinishedFlush>("finished flush", HALVES("FlushQueue.flush's fence", "FlushQueue.freeFinished"));
  check<Lock>("lock", HALVES("cring_lock", "cring_unlock"));
  std::printf("pairs: %d hold in %lu executions, %d weakened ones are caught\n", good, executions, caught);
  return wrong != 0;
}
