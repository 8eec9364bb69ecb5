#include "CRingBench.h"
