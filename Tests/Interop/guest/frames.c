// frames INTERFACE COUNT [LOSSES]: sends numbered frames of any length from 60 to 1,514 bytes through a device that
// returns each frame, up to 64 ahead, and looks whether each comes back: once, whole, in the order they were sent.
// Prints one line, "frames: ...". With LOSSES so many may be missing, as those that a device had when its guest moved
// to another, and "frames: begun" is printed after the first ones.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { protocol = 0x88b5, window = 64, longest = 1514 };

static size_t make(uint32_t number, uint8_t *frame) {
  size_t length = 60 + number * 13 % (longest - 59);
  memcpy(frame, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x88\xb5", 14);
  uint32_t big = htonl(number);
  memcpy(frame + 14, &big, sizeof big);
  for (size_t i = 18; i < length; i++) frame[i] = (uint8_t)(number * 31 + i * 167 + i / 251);
  return length;
}

static int fail(const char *what, uint32_t number) {
  printf("frames: failed: %s %u: %s\n", what, number, strerror(errno));
  return 1;
}

int main(int count, char **values) {
  if (count != 3 && count != 4) return 2;
  uint32_t frames = (uint32_t)atoi(values[2]), sent = 0, received = 0, lost = 0;
  uint32_t losses = count == 4 ? (uint32_t)atoi(values[3]) : 0;
  struct sockaddr_ll at = {
      .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = (int)if_nametoindex(values[1])};
  int fd = socket(AF_PACKET, SOCK_RAW, htons(protocol));
  if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof at)) return fail("no socket on it", 0);
  // Frames to an address that is not the interface's own.
  struct packet_mreq all = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all)) return fail("not promiscuous", 0);
  uint8_t expected[longest], frame[longest + 1];
  while (received < frames) {
    while (sent < frames && sent - received < window) {
      size_t length = make(sent, expected);
      if (send(fd, expected, length, 0) != (ssize_t)length) return fail("cannot send", sent);
      sent++;
    }
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, losses ? 3000 : 10000) != 1) {
      if (sent - received > losses - lost) return fail("nothing came back, waiting for", received);
      lost += sent - received;
      received = sent;
      continue;
    }
    ssize_t length = recv(fd, frame, sizeof frame, MSG_TRUNC);
    uint32_t number = received;
    if (losses && length >= 60) {
      memcpy(&number, frame + 14, sizeof number);
      number = ntohl(number);
      if (number < received || number >= sent || number - received > losses - lost)
        return fail("too early, too late or too many lost before", number);
      lost += number - received;
      received = number;
    }
    if (length != (ssize_t)make(number, expected) || memcmp(frame, expected, (size_t)length))
      return fail("another frame than", number);
    if (++received == 500 && losses) {
      printf("frames: begun\n");
      fflush(stdout);
    }
  }
  // None comes twice.
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  if (poll(&wait, 1, 200) != 0) return fail("one more than", frames);
  printf("frames: %u in order", received);
  if (losses) printf(", %u lost", lost);
  printf("\n");
  return 0;
}
