// A plugin of QEMU's software emulation: counts the instructions that a guest executes between two marks.
//
//   -plugin count.so,out=FILE[,functions=on]
//
// A mark is an instruction in a program of the guest (load.h): `mov $0x5a5a5a0N, %eax` on x86-64, `hint #112 + N` on
// arm64. N: 1 and 2 begin and end the writes, 3 and 4 the reads, 5 and 6 the exchanges of frames. The end of a pass
// appends lines to FILE:
//
//   pass NAME kernel=K user=U kernelRepeats=R userRepeats=S
//   at ADDRESS INSTRUCTIONS REPEATS    (functions=on: each kernel block that ran, addresses in hexadecimal)
//   end NAME
//
// An instruction counts as a processor counts it when it retires: a repeated string instruction (`rep movsb`) once.
// QEMU executes it once for each element. The further executions are its repeats, and are no instructions; arm64 has
// none. A CPU that waits for an interrupt executes nothing. Counters are added to inline and are not atomic: the guest
// has one CPU.
//
// Debian packages no header of the interface. The functions of its version 1 (QEMU 4.2 to 8.2) are declared here.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info {
  const char *target_name;
  struct {
    int min, cur;
  } version;
  bool system_emulation;
  struct {
    int smp_vcpus, max_vcpus;
  } system;
};
enum { INLINE_ADD_U64 = 0, CB_NO_REGS = 0 };
typedef void (*translated)(uint64_t id, struct qemu_plugin_tb *tb);
typedef void (*executed)(unsigned int cpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int operation, void *counter, uint64_t addend);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, executed callback, int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;

// Executions of one address, or of all addresses of the kernel or of programs.
struct counter {
  uint64_t address;
  uint64_t executed, repeats;            // since the guest began
  uint64_t executed_then, repeats_then;  // when the pass began
};

static struct counter kernel, user;
static const char *out;
static bool functions, is_arm64;

// Counters by address: open addressing. Translated code holds pointers to counters, so they never move.
static struct counter **table;
static size_t table_size, table_used;

static size_t slot_of(struct counter **slots, size_t size, uint64_t address) {
  size_t slot = (size_t)((address * 0x9e3779b97f4a7c15u) >> 20) & (size - 1);
  while (slots[slot] && slots[slot]->address != address) slot = (slot + 1) & (size - 1);
  return slot;
}

static void *allocate(size_t count, size_t bytes) {
  void *memory = calloc(count, bytes);
  if (!memory) {
    fprintf(stderr, "count: no memory for counters\n");
    exit(1);
  }
  return memory;
}

static void grow(void) {
  size_t size = table_size ? table_size * 2 : 1 << 16;
  struct counter **larger = allocate(size, sizeof *larger);
  for (size_t i = 0; i < table_size; i++)
    if (table[i]) larger[slot_of(larger, size, table[i]->address)] = table[i];
  free(table);
  table = larger;
  table_size = size;
}

static struct counter *counter_at(uint64_t address) {
  if (table_used * 2 >= table_size) grow();
  size_t slot = slot_of(table, table_size, address);
  if (!table[slot]) {
    table[slot] = allocate(1, sizeof *table[slot]);
    table[slot]->address = address;
    table_used++;
  }
  return table[slot];
}

static void begin(struct counter *c) {
  c->executed_then = c->executed;
  c->repeats_then = c->repeats;
}

static unsigned long long repeats(const struct counter *c) { return c->repeats - c->repeats_then; }

static unsigned long long instructions(const struct counter *c) { return c->executed - c->executed_then - repeats(c); }

static void write_pass(const char *name) {
  FILE *file = fopen(out, "a");
  if (!file) {
    fprintf(stderr, "count: %s cannot be written\n", out);
    exit(1);
  }
  fprintf(file, "pass %s kernel=%llu user=%llu kernelRepeats=%llu userRepeats=%llu\n", name, instructions(&kernel),
          instructions(&user), repeats(&kernel), repeats(&user));
  for (size_t i = 0; i < table_size; i++)
    if (table[i] && table[i]->executed != table[i]->executed_then)
      fprintf(file, "at %llx %llu %llu\n", (unsigned long long)table[i]->address, instructions(table[i]),
              repeats(table[i]));
  fprintf(file, "end %s\n", name);
  fclose(file);
}

static void marked(unsigned int cpu, void *data) {
  (void)cpu;
  static const char *const names[] = {"write", "read", "exchange"};
  uintptr_t mark = (uintptr_t)data;
  if (mark % 2 == 0) return write_pass(names[mark / 2 - 1]);
  begin(&kernel);
  begin(&user);
  for (size_t i = 0; i < table_size; i++)
    if (table[i]) begin(table[i]);
}

// The last repeated string instruction, and how many instructions had been executed by then.
static uint64_t repeated_address, executed_by_then;

// A string instruction is about to move an element. It is a repeat when nothing else was executed since the last one.
struct string {
  struct counter *side, *block;
  uint64_t address;
};

static void string_executed(unsigned int cpu, void *data) {
  (void)cpu;
  const struct string *s = data;
  uint64_t all = kernel.executed + user.executed;
  if (s->address == repeated_address && all == executed_by_then + 1) {
    s->side->repeats++;
    if (s->block) s->block->repeats++;
  }
  repeated_address = s->address;
  executed_by_then = all;
}

// F2 or F3, other prefixes, and INS, OUTS, MOVS, CMPS, STOS, LODS or SCAS.
static bool is_repeated_string(const uint8_t *bytes, size_t size) {
  bool repeats = false;
  size_t i = 0;
  if (is_arm64) return false;
  for (; i < size; i++) {
    uint8_t byte = bytes[i];
    if (byte == 0xf2 || byte == 0xf3)
      repeats = true;
    else if (byte != 0x66 && byte != 0x67 && (byte & 0xf0) != 0x40)
      break;
  }
  if (!repeats || i + 1 != size) return false;
  return (bytes[i] >= 0x6c && bytes[i] <= 0x6f) || (bytes[i] >= 0xa4 && bytes[i] <= 0xa7) ||
         (bytes[i] >= 0xaa && bytes[i] <= 0xaf);
}

// The number of a mark; 0 of any other instruction.
static uintptr_t mark_of(const uint8_t *bytes, size_t size) {
  static const uint8_t x86[] = {0x5a, 0x5a, 0x5a};
  uintptr_t number = 0;
  if (is_arm64) {
    uint32_t word = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    // HINT: 0xd503201f with seven bits of number from bit 5 on.
    if (size == 4 && (word & 0xfffff01f) == 0xd503201f) number = (word >> 5 & 0x7f) - 112;
  } else if (size == 5 && bytes[0] == 0xb8 && !memcmp(bytes + 2, x86, sizeof x86)) {
    number = bytes[1];
  }
  return number >= 1 && number <= 6 ? number : 0;
}

static void translate(uint64_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  uint64_t address = qemu_plugin_tb_vaddr(tb);
  size_t count = qemu_plugin_tb_n_insns(tb);
  bool is_kernel = address >> 63;
  struct counter *side = is_kernel ? &kernel : &user;
  struct counter *block = functions && is_kernel ? counter_at(address) : NULL;
  qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &side->executed, count);
  if (block) qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &block->executed, count);
  for (size_t i = 0; i < count; i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    const uint8_t *bytes = qemu_plugin_insn_data(insn);
    size_t size = qemu_plugin_insn_size(insn);
    if (is_repeated_string(bytes, size)) {
      // As long as QEMU runs: it may execute the block until then.
      struct string *s = allocate(1, sizeof *s);
      *s = (struct string){side, block, qemu_plugin_insn_vaddr(insn)};
      qemu_plugin_register_vcpu_insn_exec_cb(insn, string_executed, CB_NO_REGS, s);
    }
    uintptr_t mark = is_kernel ? 0 : mark_of(bytes, size);
    if (mark) qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, CB_NO_REGS, (void *)mark);
  }
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int count, char **arguments) {
  for (int i = 0; i < count; i++) {
    if (!strncmp(arguments[i], "out=", 4))
      out = arguments[i] + 4;
    else if (!strcmp(arguments[i], "functions=on"))
      functions = true;
    else if (strcmp(arguments[i], "functions=off")) {
      fprintf(stderr, "count: there is no argument %s\n", arguments[i]);
      return 1;
    }
  }
  is_arm64 = !strcmp(info->target_name, "aarch64");
  if (!out || !info->system_emulation || (!is_arm64 && strcmp(info->target_name, "x86_64")) ||
      info->system.smp_vcpus != 1) {
    fprintf(stderr, "count: it needs out=FILE and a guest of one CPU, x86-64 or arm64\n");
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
  return 0;
}
