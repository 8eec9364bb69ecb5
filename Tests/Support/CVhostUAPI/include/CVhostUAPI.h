// The kernel's own structures of what vhost-user messages carry, and what the kernel knows of this process.
#ifndef CVHOSTUAPI_H
#define CVHOSTUAPI_H

#include <linux/vhost_types.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdbool.h>

// A file of its own, of one page; -1 when there is none to be had.
int cvhost_file(const char *name, long bytes);

// One of huge pages, none of which need be there, sealed against shrinking; -1 likewise.
int cvhost_huge_file(const char *name, long bytes);

// Lets a process have descriptors below that number and no others; 0, or -1.
int cvhost_limit_descriptors(int process, int count);

// How many descriptors of this process lead to that file, and how many mappings: other tests have other files.
int cvhost_open_descriptors(int fd);
int cvhost_mappings(int fd);

// Whether this is a build with the thread sanitizer: its atomics hold a lock while they access memory, so that a fault
// there whose handler uses atomics too never ends.
bool cvhost_has_thread_sanitizer(void);

#endif
