/* fuzz_lists - whether lists that were saved are the ones that were meant. */
#ifndef FUZZ_LISTS_H
#define FUZZ_LISTS_H

#include "fuzz.h"
#include "list_store.h"

/* Times may move by the milliseconds that the file rounds them to. */
static inline void fuzz_same_lists(const ip_list_t *a, const ip_list_t *b)
{
    for (enum ntc_list list = NTC_BLACK; list < NTC_LISTS; list++) {
        FUZZ_ASSERT(ip_list_size(a, list) == ip_list_size(b, list));
        for (uint32_t i = 0; i < ip_list_size(a, list); i++) {
            const struct ip_list_entry *x = ip_list_at(a, list, i), *y = ip_list_at(b, list, i);
            FUZZ_ASSERT(ip_prefix_compare(&x->prefix, &y->prefix) == 0);
            FUZZ_ASSERT(strcmp(x->reason, y->reason) == 0);
            FUZZ_ASSERT((x->expires_ns == 0) == (y->expires_ns == 0));
        }
    }
}

#endif
