/* Delays at every atomic operation and every lock, at random, so that threads meet where they seldom do; for `gcc -include`.
 *
 * The next fit, the stop, the counts, the start and the end of a thread pool all go by these. */
#ifndef GSLFIT_DELAYS_H
#define GSLFIT_DELAYS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>
#include <time.h>

static inline int delayed(void) {
    static _Thread_local unsigned int state;
    if (!state) state = (unsigned int)(size_t)&state | 1;
    state = state * 1664525u + 1013904223u;
    const unsigned int draw = state >> 16;
    if (draw % 8 == 0) sched_yield();
    if (draw % 512 == 1) {
        const struct timespec moment = {0, 1000 * (long)(draw % 97)};
        nanosleep(&moment, NULL);
    }
    return 0;
}

#define DELAYED(call) (delayed(), (call))
#undef atomic_load
#undef atomic_store
#undef atomic_fetch_add
#undef atomic_fetch_sub
#define atomic_load(object) DELAYED(atomic_load_explicit((object), memory_order_seq_cst))
#define atomic_store(object, value) DELAYED(atomic_store_explicit((object), (value), memory_order_seq_cst))
#define atomic_fetch_add(object, value) DELAYED(atomic_fetch_add_explicit((object), (value), memory_order_seq_cst))
#define atomic_fetch_sub(object, value) DELAYED(atomic_fetch_sub_explicit((object), (value), memory_order_seq_cst))
#define pthread_mutex_lock(mutex) DELAYED(pthread_mutex_lock(mutex))
#define pthread_cond_signal(condition) DELAYED(pthread_cond_signal(condition))

#endif
