// What of files Swift's Glibc does not show. Errors are errno values.
#ifndef CRING_FILE_H
#define CRING_FILE_H

#include <stdint.h>

// Makes a range of a file read as zeros, its length unchanged; with `unmap` its blocks are given back too. EOPNOTSUPP
// where the file system cannot.
int cring_file_clear(int fd, uint64_t offset, uint64_t bytes, int unmap);

#endif
