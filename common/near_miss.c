#include "near_miss.h"

#include <string.h>

#define MAX_WORD 47

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

unsigned near_miss_distance(const char *a, const char *b)
{
    size_t rows = strnlen(a, MAX_WORD + 1), columns = strnlen(b, MAX_WORD + 1);
    unsigned cost[MAX_WORD + 1][MAX_WORD + 1];

    if (rows > MAX_WORD || columns > MAX_WORD)
        return NEAR_MISS_FAR;
    for (size_t i = 0; i <= rows; i++)
        cost[i][0] = (unsigned) i;
    for (size_t j = 0; j <= columns; j++)
        cost[0][j] = (unsigned) j;
    for (size_t i = 1; i <= rows; i++) {
        for (size_t j = 1; j <= columns; j++) {
            unsigned best = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = least(best, cost[i - 1][j] + 1);
            best = least(best, cost[i][j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, cost[i - 2][j - 2] + 1);
            cost[i][j] = best;
        }
    }
    return cost[rows][columns];
}

bool near_miss_is_likely(const char *word, unsigned distance)
{
    size_t length = strlen(word);

    return distance <= (length < 3 ? 0 : length < 6 ? 1 : length < 10 ? 2 : 3);
}
