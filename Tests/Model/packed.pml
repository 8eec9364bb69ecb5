/* Publish, observe and suppress on a packed ring of two descriptors: Sources/RingKit/Ring/Packed.

   A buffer is one descriptor, or a list of two; one or two descriptors to a publish; ids are taken and completed in any
   order. A descriptor is two words, as in memory: its address, and length, id and flags together. Every buffer toggles its
   id's stamp, which stands for what lies behind its address and for what the device wrote; an address carries the lap too.

   -DEVENT_IDX: RING_EVENT_FLAGS_DESC instead of ENABLE. Each of the other switches breaks one thing; run.sh lists them. */

#define SIZE 2

#define ADDRESS(n) (n)
#define WORD(n) (2 + (n))
#define DRIVER_WISH 4
#define DEVICE_WISH 5
#define PAYLOAD(id) (6 + (id)) /* what the device wrote */
#define WORDS 8

/* Length, id and flags: bit 0 AVAIL, 1 USED, 2 NEXT, 3 the id; the length goes with them and is left out. */
#define word(avail, used, next, id) ((avail) + 2 * (used) + 4 * (next) + 8 * (id))
#define availOf(w) ((w) & 1)
#define usedOf(w) ((w) >> 1 & 1)
#define nextOf(w) ((w) >> 2 & 1)
#define idOf(w) ((w) >> 3 & 1)
#define address(lap, stamp) (2 * (lap) + (stamp))

/* A suppression word: bits 0-1 the flags (0 enable, 1 disable, 2 descriptor), 2 the wrap counter, 3 the offset. */
#define wish(flags, lap, offset) ((flags) + 4 * (lap) + 8 * (offset))
#define ENABLE 0
#define DISABLE 1

#include "weak.pml"

/* What an omniscient observer knows: ids in flight, their stamps and lengths in descriptors, what the device holds. */
bit inFlight[SIZE];
bit stamp[SIZE];
byte descriptors[SIZE];
bit held[SIZE];

/* EventSuppression.isDue(position:count:size:hasEventIndex:), in bytes where the code has 16 bits. */
#define eventOf(w) ((w) >> 3)
#ifdef PLAIN_COMPARISON
#define crossed(w, lap, offset, count) (offset > eventOf(w))
#else
#define corrected(w, lap) (((w) >> 2 & 1) == (lap) -> eventOf(w) : eventOf(w) + 256 - SIZE)
#define crossed(w, lap, offset, count) \
  (((offset) + 1024 - corrected(w, lap) - 1) % 256 < ((offset) + 256 - ((offset) + 256 - (count)) % 256) % 256)
#endif
#define due(w, lap, offset, count) (((w) & 3) != 1 && (((w) & 3) != 2 || crossed(w, lap, offset, count)))

#ifdef WRAP_NOT_TOGGLED
#define turned(side, lap) (side == DEVICE -> lap : 1 - lap)
#else
#define turned(side, lap) (1 - lap)
#endif

/* WrapCounter.advance. */
inline advance(side, offset, lap) {
  offset++;
  if
  :: offset == SIZE -> offset = 0; lap = turned(side, lap)
  :: else
  fi
}

/* isNotificationDue() of `side`, which has published up to `offset` and `lap`. */
inline announce(side, offset, lap, wishWord) {
  if
#ifdef NO_B13
  :: side == DRIVER
#endif
#ifdef NO_B15
  :: side == DEVICE
#endif
  :: fence(side)
  fi;
  atomic {
    load(side, wishWord, seen);
    if
    :: due(seen, lap, offset, count) -> ring(1 - side)
    :: else
    fi;
    seen = 0;
    count = 0
  }
}

inline wishFor(side, what, wishWord) {
  if
  :: what != wished -> wished = what; store(side, wishWord, what)
  :: else
  fi
}

/* The first word of a batch waits for publish(), the others are release stores already. */
inline write(side, n, what) {
  if
  :: holding -> storeRelease(side, WORD(n), what)
#ifdef NOT_HELD
  :: !holding && side == DRIVER -> storeRelease(side, WORD(n), what)
#endif
#ifdef NOT_HELD
  :: !holding && side == DEVICE ->
#else
  :: !holding ->
#endif
    holding = 1;
    heldAt = n;
    heldWord = what
  fi
}

inline publish(side, isRelease) {
  if
  :: holding -> put(side, WORD(heldAt), heldWord, isRelease)
  :: else
  fi;
  holding = 0;
  heldAt = 0;
  heldWord = 0
}

#ifdef NO_B9
#define RELEASE_B9 0
#else
#define RELEASE_B9 1
#endif
#ifdef NO_B11
#define RELEASE_B11 0
#else
#define RELEASE_B11 1
#endif

proctype driver() {
  byte scan, available, used, free = SIZE, seen, count, id, i, length, heldAt, heldWord, wished;
  bit availableLap = 1, usedLap = 1, holding;
#ifdef NO_B12
  byte ahead[SIZE];
#endif
  do
  :: atomic {
      free > 0 ->
      do
      :: free > 0 ->
        if
        :: !inFlight[0] -> id = 0
        :: !inFlight[1] -> id = 1
        fi;
        if
        :: length = 1
        :: free == 2 -> length = 2
        fi;
        inFlight[id] = 1;
        stamp[id] = 1 - stamp[id];
        descriptors[id] = length;
        i = 0;
        do
        :: i < length ->
          store(DRIVER, ADDRESS(available), address(availableLap, stamp[id]));
          write(DRIVER, available, word(availableLap, 1 - availableLap, (i + 1 < length -> 1 : 0), id));
          advance(DRIVER, available, availableLap);
          i++
        :: else -> break
        od;
        i = 0;
        free = free - length;
        count = count + length
      :: count > 0 -> break
      od;
      id = 0;
      length = 0;
      publish(DRIVER, RELEASE_B9)
    }
    announce(DRIVER, available, availableLap, DEVICE_WISH)
  :: free < SIZE ->
#ifdef NO_B12
    atomic { load(DRIVER, PAYLOAD(0), ahead[0]); load(DRIVER, PAYLOAD(1), ahead[1]) }
#endif
    atomic {
      load(DRIVER, WORD(used), seen);
      if
      :: availOf(seen) == usedLap && usedOf(seen) == usedLap ->
        id = idOf(seen);
        assert(inFlight[id] && !held[id]); /* P18: neither twice nor invented */
#ifdef NO_B12
        length = ahead[id];
#else
        load(DRIVER, PAYLOAD(id), length);
#endif
        assert(length == stamp[id]); /* all of it is there */
        length = 0;
        inFlight[id] = 0;
        free = free + descriptors[id];
        i = 0;
        do
        :: i < descriptors[id] -> advance(DRIVER, used, usedLap); i++
        :: else -> break
        od;
        i = 0;
        descriptors[id] = 0;
        id = 0
      :: else
      fi;
      seen = 0
#ifdef NO_B12
      ; ahead[0] = 0; ahead[1] = 0
#endif
    }
#ifndef EVENT_IDX
  /* disableNotifications */
  :: atomic { wished != DISABLE -> wishFor(DRIVER, DISABLE, DRIVER_WISH) }
#endif
  :: free < SIZE ->
    /* Nothing to do until a buffer comes back. */
#ifdef EVENT_IDX
    atomic { wishFor(DRIVER, wish(2, usedLap, used), DRIVER_WISH) }
#else
    atomic { wishFor(DRIVER, ENABLE, DRIVER_WISH) }
#endif
#ifndef NO_B16
    fence(DRIVER);
#endif
    atomic {
      load(DRIVER, WORD(used), seen);
      if
#ifndef NO_LOOK_DRIVER
      :: availOf(seen) == usedLap && usedOf(seen) == usedLap -> seen = 0; goto awake
#endif
      :: else -> seen = 0
      fi
    }
    sleep(DRIVER);
awake: skip
  od
}

/* The descriptor at the next position, whose word is in `seen` and whose address in `where`. */
inline take() {
  assert(inFlight[id] && !held[id]);
  assert(where == address(availableLap, stamp[id])) /* complete, and of this lap */
}

proctype device() {
  byte scan, available, used, seen, count, id, i, length, heldAt, heldWord, wished, where;
  bit availableLap = 1, usedLap = 1, holding;
  do
#ifdef NO_B10
  :: load(DEVICE, ADDRESS(available), where);
#else
  ::
#endif
    atomic {
      load(DEVICE, WORD(available), seen);
      if
      :: availOf(seen) == availableLap && usedOf(seen) != availableLap ->
#ifndef NO_B10
        load(DEVICE, ADDRESS(available), where);
#endif
        id = idOf(seen);
        take();
        advance(DEVICE, available, availableLap);
        if
        :: nextOf(seen) ->
          load(DEVICE, WORD(available), seen);
          load(DEVICE, ADDRESS(available), where);
          assert(availOf(seen) == availableLap && usedOf(seen) != availableLap); /* P10 */
          assert(idOf(seen) == id);
          take();
          advance(DEVICE, available, availableLap)
        :: else
        fi;
        held[id] = 1;
        id = 0
      :: else
      fi;
      seen = 0;
      where = 0
    }
  :: atomic {
      held[0] || held[1] ->
      /* complete, in any order */
      do
      :: held[0] || held[1] ->
        if
        :: held[0] -> id = 0
        :: held[1] -> id = 1
        fi;
        store(DEVICE, PAYLOAD(id), stamp[id]);
#ifdef FLAGS_BEFORE_ID
        store(DEVICE, WORD(used), word(usedLap, usedLap, 0, 1 - id));
#endif
#ifdef TWICE
        /* A second used descriptor for the same buffer, behind the first. */
        if
        :: used + 1 < SIZE && descriptors[id] == 1 ->
          storeRelease(DEVICE, WORD(used + 1), word(usedLap, usedLap, 0, id))
        :: true
        fi;
#endif
        held[id] = 0;
        write(DEVICE, used, word(usedLap, usedLap, 0, id));
        i = 0;
        length = descriptors[id];
        do
        :: i < length -> advance(DEVICE, used, usedLap); i++
        :: else -> break
        od;
        i = 0;
        count = count + length;
        length = 0
      :: count > 0 -> break
      od;
      id = 0;
      publish(DEVICE, RELEASE_B11)
    }
    announce(DEVICE, used, usedLap, DRIVER_WISH)
#ifndef EVENT_IDX
  :: atomic { wished != DISABLE -> wishFor(DEVICE, DISABLE, DEVICE_WISH) }
#endif
  :: !held[0] && !held[1] ->
    /* Nothing to do until a buffer is made available. */
#ifdef EVENT_IDX
    atomic { wishFor(DEVICE, wish(2, availableLap, available), DEVICE_WISH) }
#else
    atomic { wishFor(DEVICE, ENABLE, DEVICE_WISH) }
#endif
#ifndef NO_B14
    fence(DEVICE);
#endif
    atomic {
      load(DEVICE, WORD(available), seen);
      if
#ifndef NO_LOOK_DEVICE
      :: availOf(seen) == availableLap && usedOf(seen) != availableLap -> seen = 0; goto awake
#endif
      :: else -> seen = 0
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
