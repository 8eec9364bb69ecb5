// The fixed load of a measured guest on a network device that returns each frame: frames are sent and taken back.
//
//   load-net INTERFACE WINDOW ROUNDS FRAME_BYTES FIRST [FILE]
//
// A round sends WINDOW frames and waits for all of them to come back; each is compared with what was sent. FIRST
// rounds go before, which are not counted: the link comes up meanwhile. FILE and the line that is printed are those of
// load.c, with op=exchange. Raw frames through a packet socket: no protocol above them, and no answer but the device's.
// There is no limit of time, which would cost a timer a frame: a frame that never comes back is found by whatever
// booted the guest.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include "load.h"

enum { protocol = 0x88b5, shortest = 60, longest = 1514, most = 64 };

static uint8_t sent[most][longest];
static uint64_t begun[most];

static void make(uint32_t number, uint8_t *frame, size_t bytes) {
  memcpy(frame, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x88\xb5", 14);
  uint32_t big = htonl(number);
  memcpy(frame + 14, &big, sizeof big);
  for (size_t i = 18; i < bytes; i++) frame[i] = (uint8_t)(number * 31 + i * 167);
}

// One round; `latency` gets the time of each frame.
static void exchange(int fd, uint32_t number, int window, size_t bytes, uint64_t *latency) {
  static uint8_t frame[longest + 1];
  for (int i = 0; i < window; i++) {
    make(number + (uint32_t)i, sent[i], bytes);
    begun[i] = now();
    if (send(fd, sent[i], bytes, 0) != (ssize_t)bytes) die("a frame");
  }
  for (int i = 0; i < window; i++) {
    ssize_t got = recv(fd, frame, sizeof frame, 0);
    if (got < 0) die("a frame that comes back");
    if (latency) latency[i] = now() - begun[i];
    if (got != (ssize_t)bytes || memcmp(frame, sent[i], bytes)) {
      printf("load: failed: frame %u is not what was sent\n", number + (unsigned)i);
      exit(1);
    }
  }
}

int main(int count, char **values) {
  if (count != 6 && count != 7) {
    printf("load: INTERFACE WINDOW ROUNDS FRAME_BYTES FIRST [FILE]\n");
    return 2;
  }
  int window = atoi(values[2]);
  size_t rounds = strtoull(values[3], NULL, 10), bytes = strtoull(values[4], NULL, 10);
  if (window < 1 || window > most || rounds < 1 || bytes < shortest || bytes > longest) {
    printf("load: WINDOW is 1 to %d, ROUNDS at least 1, FRAME_BYTES %d to %d\n", most, shortest, longest);
    return 2;
  }
  struct sockaddr_ll at = {
      .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = (int)if_nametoindex(values[1])};
  int fd = socket(AF_PACKET, SOCK_RAW, htons(protocol));
  if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof at)) die("a socket on the interface");
  // Frames to an address that is not the interface's own.
  struct packet_mreq all = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all)) die("all frames");
  struct watcher watcher = {.path = count == 7 ? values[6] : NULL};
  uint64_t *latency = calloc(rounds * (size_t)window, sizeof *latency);
  // No page faults while it is counted.
  if (!latency || mlockall(MCL_CURRENT | MCL_FUTURE)) die("memory that stays");
  uint32_t number = 0;
  for (int r = atoi(values[5]); r > 0; r--, number += (uint32_t)window) exchange(fd, number, window, bytes, NULL);
  begin_watching(&watcher);
  uint64_t start = now();
  MARK(5);
  for (size_t r = 0; r < rounds; r++, number += (uint32_t)window)
    exchange(fd, number, window, bytes, latency + r * (size_t)window);
  MARK(6);
  uint64_t took = now() - start;
  end_watching(&watcher);
  print_pass("exchange", rounds * (size_t)window, bytes, took, latency, watcher.peak);
  // None comes twice.
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  if (poll(&wait, 1, 200) != 0) {
    printf("load: failed: one more frame came back than was sent\n");
    return 1;
  }
  return 0;
}
