#ifndef CPEER_H
#define CPEER_H
#endif
