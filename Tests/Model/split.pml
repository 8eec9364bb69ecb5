/* Publish, observe and suppress on a split ring of two descriptors: Sources/RingKit/Ring/Split.

   Indices count modulo LAP instead of 65,536; the ring's size divides both. Heads are taken in any order, buffers completed
   in any order, one or two to a publish. Every buffer toggles its slot's stamp, which stands for address, length and
   payload: a stamp that is not the current one is a descriptor, or a reply, of an earlier lap.

   -DEVENT_IDX: used_event and avail_event instead of the flags. Each of the other switches breaks one thing; run.sh lists
   them. */

#define SIZE 2
#define LAP 4
#define slot(index) ((index) % SIZE)
#define distance(later, earlier) (((later) + LAP - (earlier)) % LAP)

#define DESCRIPTOR(n) (n)
#define AVAILABLE(n) (2 + (n))
#define AVAILABLE_INDEX 4
#define DRIVER_WISH 5 /* used_event, or the available ring's flags */
#define USED(n) (6 + (n)) /* id, and the length that stands for every byte the device wrote */
#define USED_INDEX 8
#define DEVICE_WISH 9 /* avail_event, or the used ring's flags */
#define WORDS 10

#define entry(id, length) (2 * (id) + (length))

#include "weak.pml"

/* What an omniscient observer knows: slots in flight, their stamps, the head of each index, what the device holds. */
bit inFlight[SIZE];
bit stamp[SIZE];
byte headOf[SIZE];
bit held[SIZE];

/* RingIndex.crossed(_:from:to:). */
#ifdef PLAIN_COMPARISON
#define crossed(event, old, new) ((new) > (event))
#else
#define crossed(event, old, new) (distance(distance(new, event), 1) < distance(new, old))
#endif

/* isNotificationDue() of `side`, whose last published index is `new`. */
#ifdef EVENT_IDX
#define due(event, new) crossed(event, distance(new, unannounced), new)
#else
#define due(event, new) ((event) == 0)
#endif

inline announce(side, new, wish) {
  if
#ifdef NO_B5
  :: side == DRIVER
#endif
#ifdef NO_B7
  :: side == DEVICE
#endif
  :: fence(side)
  fi;
  atomic {
    load(side, wish, seen);
    if
    :: due(seen, new) -> ring(1 - side)
    :: else
    fi;
    seen = 0;
    unannounced = 0
  }
}

/* Reads the used index, and what it covers. */
inline reclaim() {
  assert(distance(seen, returned) <= distance(added, returned)); /* S27 */
  do
  :: seen != returned ->
#ifndef NO_B4
    load(DRIVER, USED(slot(returned)), id);
#endif
    length = id % 2;
    id = id / 2;
    assert(inFlight[id] && !held[id]); /* neither twice nor invented */
    assert(length == stamp[id]); /* S27, S28 */
    inFlight[id] = 0;
    returned = (returned + 1) % LAP;
    id = 0;
    length = 0
#ifdef NO_B4
    ; break
#endif
  :: else -> break
  od;
  seen = 0;
  id = 0
}

proctype driver() {
  byte scan, added, returned, seen, unannounced, count, id;
  bit flags, length;
  do
  :: atomic {
      !inFlight[0] || !inFlight[1] ->
      /* add: the slot does not matter, the order in which slots come back does */
      do
      :: count < 2 ->
        if
        :: !inFlight[0] -> id = 0
        :: !inFlight[1] -> id = 1
        :: else -> break
        fi;
        inFlight[id] = 1;
        stamp[id] = 1 - stamp[id];
        headOf[slot(added)] = id;
        store(DRIVER, DESCRIPTOR(id), stamp[id]);
        store(DRIVER, AVAILABLE(slot(added)), id);
        added = (added + 1) % LAP;
        count++
      :: count > 0 -> break
      od;
      /* publish */
      unannounced = count;
      count = 0;
      id = 0;
#ifdef NO_B1
      store(DRIVER, AVAILABLE_INDEX, added)
#else
      storeRelease(DRIVER, AVAILABLE_INDEX, added)
#endif
    }
    announce(DRIVER, added, DEVICE_WISH)
#ifdef NO_B4
  :: added != returned ->
    load(DRIVER, USED(slot(returned)), id);
    atomic { load(DRIVER, USED_INDEX, seen); reclaim() }
#else
  :: atomic { added != returned -> load(DRIVER, USED_INDEX, seen); reclaim() }
#endif
#ifndef EVENT_IDX
  /* disableNotifications */
  :: atomic { flags == 0 -> flags = 1; store(DRIVER, DRIVER_WISH, 1) }
#endif
  :: added != returned ->
    /* Nothing to do until a buffer comes back. */
#ifdef EVENT_IDX
    store(DRIVER, DRIVER_WISH, returned);
#else
    if
    :: atomic { flags == 1 -> flags = 0; store(DRIVER, DRIVER_WISH, 0) }
    :: else
    fi;
#endif
#ifndef NO_B8
    fence(DRIVER);
#endif
    atomic {
      load(DRIVER, USED_INDEX, seen);
      if
#ifndef NO_LOOK_DRIVER
      :: seen != returned -> seen = 0; goto awake
#endif
      :: else -> seen = 0
      fi
    }
    sleep(DRIVER);
awake: skip
  od
}

/* Reads the available index, and what it covers. */
inline fetch() {
  assert(distance(seen, completed) <= SIZE); /* S11 */
  do
  :: seen != fetched ->
#ifndef NO_B2
    load(DEVICE, AVAILABLE(slot(fetched)), id);
    load(DEVICE, DESCRIPTOR(id), content);
#endif
    assert(id == headOf[slot(fetched)] && inFlight[id] && !held[id]);
    assert(content == stamp[id]); /* complete, and of this lap */
    held[id] = 1;
    fetched = (fetched + 1) % LAP;
    id = 0;
    content = 0
#ifdef NO_B2
    ; break
#endif
  :: else -> break
  od;
  seen = 0;
  id = 0;
  content = 0
}

proctype device() {
  byte scan, fetched, completed, seen, unannounced, count, id;
  bit flags, content;
  do
#ifdef NO_B2
  :: atomic { load(DEVICE, AVAILABLE(slot(fetched)), id); load(DEVICE, DESCRIPTOR(id), content) }
    atomic { load(DEVICE, AVAILABLE_INDEX, seen); fetch() }
#else
  :: atomic { load(DEVICE, AVAILABLE_INDEX, seen); fetch() }
#endif
  :: atomic {
      held[0] || held[1] ->
      /* complete, in any order */
      do
      :: count < 2 ->
        if
        :: held[0] -> id = 0
        :: held[1] -> id = 1
        :: else -> break
        fi;
        count++;
        completed = (completed + 1) % LAP;
#ifdef INDEX_BEFORE_ENTRY
        storeRelease(DEVICE, USED_INDEX, completed);
#endif
        store(DEVICE, USED(slot(completed + LAP - 1)), entry(id, stamp[id]));
#ifdef TWICE
        if
        :: held[id] = 0
        :: true
        fi
#else
        held[id] = 0
#endif
      :: count > 0 -> break
      od;
      id = 0;
      /* publish */
      unannounced = count;
      count = 0;
#if defined(NO_B3)
      store(DEVICE, USED_INDEX, completed)
#elif !defined(INDEX_BEFORE_ENTRY)
      storeRelease(DEVICE, USED_INDEX, completed)
#endif
    }
    announce(DEVICE, completed, DRIVER_WISH)
#ifndef EVENT_IDX
  :: atomic { flags == 0 -> flags = 1; store(DEVICE, DEVICE_WISH, 1) }
#endif
  :: !held[0] && !held[1] ->
    /* Nothing to do until a buffer is made available. */
#ifdef EVENT_IDX
    atomic {
#ifdef EVENT_FROM_RING
      load(DEVICE, AVAILABLE_INDEX, count);
#else
      count = fetched;
#endif
      store(DEVICE, DEVICE_WISH, count)
    }
#else
    atomic {
      count = fetched;
      if
      :: flags == 1 -> flags = 0; store(DEVICE, DEVICE_WISH, 0)
      :: else
      fi
    }
#endif
#ifndef NO_B6
    fence(DEVICE);
#endif
    atomic {
      load(DEVICE, AVAILABLE_INDEX, seen);
      if
#ifndef NO_LOOK_DEVICE
      :: seen != count -> seen = 0; count = 0; goto awake
#endif
      :: else -> seen = 0; count = 0
      fi
    }
    sleep(DEVICE);
awake: skip
  od
}

init {
  atomic {
    run drain(DRIVER);
    run drain(DEVICE);
    run driver();
    run device()
  }
}
