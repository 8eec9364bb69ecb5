#ifndef CRINGBENCH_H
#define CRINGBENCH_H
#include <stdint.h>
#endif
