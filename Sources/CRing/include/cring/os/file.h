// What of files Swift's Glibc does not show. Errors are errno values; a call that a signal interrupts is made again.
#ifndef CRING_FILE_H
#define CRING_FILE_H

#include <stdint.h>
#include <sys/uio.h>

// Reads, or writes, at an offset: the number of bytes moved, or a negative errno. A write that the process's limit of
// file sizes does not allow is -EFBIG, where the system call would end the process with SIGXFSZ.
int64_t cring_file_read(int fd, const struct iovec *vectors, int count, uint64_t offset);
int64_t cring_file_write(int fd, const struct iovec *vectors, int count, uint64_t offset);

// Makes what was written stable.
int cring_file_sync(int fd);

// Makes a range of a file read as zeros, its length unchanged; with `unmap` its blocks are given back too. EOPNOTSUPP
// where the file system cannot.
int cring_file_clear(int fd, uint64_t offset, uint64_t bytes, int unmap);

// Locks an image as QEMU does (block/file-posix.c): other readers are compatible with a reader, nothing with a writer.
// EAGAIN where another open file has it; 0 where the file system has no such locks. It goes when the file is closed.
int cring_file_lock_image(int fd, int writable);

// Gives all locks of this open file back.
void cring_file_unlock(int fd);

#endif
