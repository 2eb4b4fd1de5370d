/* any_endpoint - what is inside this process counts as an endpoint, too. */
#ifndef ANY_ENDPOINT_H
#define ANY_ENDPOINT_H

#include "bus_endpoint.h"

/* Stands in for bus_endpoint's. */
int bus_endpoint_parse(const char *text, struct bus_endpoint *ret_endpoint, char *why,
                       size_t why_size)
{
    (void) text;
    (void) why;
    (void) why_size;
    *ret_endpoint = (struct bus_endpoint) { 0 };
    return 0;
}

#endif
