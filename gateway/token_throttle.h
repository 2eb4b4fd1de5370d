/* token_throttle - makes guessing tokens slow, per address, in bounded memory.
 *
 * The first few wrong tokens are free; then each doubles the wait, up to a minute.  Addresses are
 * forgotten ten minutes after their last mistake.  IPv6 counts per /64: a host owns all of it.
 */
#ifndef TOKEN_THROTTLE_H
#define TOKEN_THROTTLE_H

#include <stdint.h>

#include "ip_addr.h"

#define THROTTLE_ADDRESSES 256
#define THROTTLE_FREE 5         /* mistakes without a wait */
#define THROTTLE_MAX_S 60

struct throttled_address {
    struct ip_addr addr;
    uint32_t failures;          /* 0 = the place is free */
    uint64_t last_ns;           /* of the last failure */
};

/* All zeros is a valid, empty throttle.  The owner locks. */
struct token_throttle {
    struct throttled_address addresses[THROTTLE_ADDRESSES];
};

/* Seconds that `addr` must wait at `now_ns` (monotonic) before its next try, 0 = none. */
unsigned token_throttle_wait_s(const struct token_throttle *self, const struct ip_addr *addr,
                               uint64_t now_ns);

/* Count a wrong token.  A full table forgets the address whose last mistake is the oldest. */
void token_throttle_fail(struct token_throttle *self, const struct ip_addr *addr, uint64_t now_ns);

/* Forget the mistakes of an address that has shown a right token. */
void token_throttle_forgive(struct token_throttle *self, const struct ip_addr *addr);

#endif
