/* Memory as two parties see it that share nothing but memory.

   Each side has a store buffer. Stores of different words leave it in any order, stores of one word in theirs; a release
   store leaves when everything before it has left, but what comes behind it may overtake it (arm64's stlr). A full fence waits
   until the buffer is empty. A side sees its own stores at once. Loads happen in program order; where a model's subject is
   a load that runs ahead, the variant says so in its own steps. x86-64 allows less than this. */

#ifndef DEPTH
#define DEPTH 3
#endif

#define DRIVER 0
#define DEVICE 1

typedef StoreBuffer {
  byte count;
  byte at[DEPTH];
  byte value[DEPTH];
  bit release[DEPTH]
}

byte memory[WORDS];
StoreBuffer pending[2];

/* The doorbells are eventfds: what rings stays rung until someone looks. */
bit bell[2];

inline put(side, word, what, isRelease) {
  atomic {
    pending[side].count < DEPTH ->
    pending[side].at[pending[side].count] = word;
    pending[side].value[pending[side].count] = what;
    pending[side].release[pending[side].count] = isRelease;
    pending[side].count++
  }
}

inline store(side, word, what) { put(side, word, what, 0) }
inline storeRelease(side, word, what) { put(side, word, what, 1) }

inline load(side, word, into) {
  d_step {
    into = memory[word];
    scan = 0;
    do
    :: scan < pending[side].count ->
      if
      :: pending[side].at[scan] == (word) -> into = pending[side].value[scan]
      :: else
      fi;
      scan++
    :: else -> break
    od;
    scan = 0
  }
}

inline fence(side) { pending[side].count == 0 }

/* No store to its word comes before entry `n`, and none at all comes before a release. */
#define differs(side, n, m) (pending[side].at[n] != pending[side].at[m])
#define leaves0(side) (pending[side].count > 0)
#define leaves1(side) (pending[side].count > 1 && !pending[side].release[1] && differs(side, 1, 0))
#define leaves2(side) (pending[side].count > 2 && !pending[side].release[2] && differs(side, 2, 0) && differs(side, 2, 1))
#define leaves3(side) \
  (pending[side].count > 3 && !pending[side].release[3] && differs(side, 3, 0) && differs(side, 3, 1) && differs(side, 3, 2))

inline leave(side, n) {
  memory[pending[side].at[n]] = pending[side].value[n];
  shift = n + 1;
  do
  :: shift < pending[side].count ->
    pending[side].at[shift - 1] = pending[side].at[shift];
    pending[side].value[shift - 1] = pending[side].value[shift];
    pending[side].release[shift - 1] = pending[side].release[shift];
    shift++
  :: else -> break
  od;
  pending[side].count--;
  /* What has left leaves no trace: equal states are equal. */
  pending[side].at[pending[side].count] = 0;
  pending[side].value[pending[side].count] = 0;
  pending[side].release[pending[side].count] = 0;
  shift = 0
}

proctype drain(bit side) {
  byte shift;
end:
  do
  :: d_step { leaves0(side) -> leave(side, 0) }
#if DEPTH > 1
  :: d_step { leaves1(side) -> leave(side, 1) }
#endif
#if DEPTH > 2
  :: d_step { leaves2(side) -> leave(side, 2) }
#endif
#if DEPTH > 3
  :: d_step { leaves3(side) -> leave(side, 3) }
#endif
  od
}

#define ring(side) bell[side] = 1

/* Both asleep with no bell rung is the end of all moves: spin reports an invalid end state. */
inline sleep(side) { atomic { bell[side] -> bell[side] = 0 } }
