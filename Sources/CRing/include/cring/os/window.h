// A range of address space through which parts of files are shown and taken away again: the CPU's own MMU at work.
#ifndef CRING_WINDOW_H
#define CRING_WINDOW_H

#include <stddef.h>
#include <stdint.h>

// Address space of which no byte can be touched; no memory is taken. Returns 0 or errno.
int cring_window_reserve(size_t bytes, void **out);
void cring_window_release(void *base, size_t bytes);

// Shows `bytes` of `fd` from `offset` on at `at`, writable or for reading alone, with page-table entries filled in at
// once. Everything is a multiple of the page size, and `at` lies inside a reserved window.
int cring_window_show(void *at, size_t bytes, int fd, uint64_t offset, int writable);

// Takes it away again; when this returns no CPU of the process can reach it.
int cring_window_hide(void *at, size_t bytes);

// The same, for those that may still look there: they read zeroes.
int cring_window_blank(void *at, size_t bytes);

#endif
