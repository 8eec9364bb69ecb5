// What this process was started with, without /proc: Swift's own runtime reads its arguments there.
#ifndef CRINGBENCH_ARGUMENTS_H
#define CRINGBENCH_ARGUMENTS_H

// main's argc; 0 where the C library does not tell.
int crb_argument_count(void);

// main's argv[number], or NULL.
const char *crb_argument(int number);

// A path that starts this program once more: the kernel's link to it, or what it was started as.
const char *crb_program_path(void);

// Puts something that can be neither read nor written at each of the descriptors 0 to 2 that is closed, so that no
// file that is opened later becomes a standard stream.
void crb_standard_streams_occupy(void);

#endif
