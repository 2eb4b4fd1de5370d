/* page_cache - a text that is written once for each snapshot, and shared by all who ask for it.
 *
 * Whoever asks first writes it, the others wait for that; ten scrapers and a hundred open pages
 * cost as much as one.
 */
#ifndef PAGE_CACHE_H
#define PAGE_CACHE_H

#include "latest.h"
#include "text_buffer.h"

#define PAGE_CACHE_MAX_NS UINT64_C(1000000000)  /* no text is given out that is older */

typedef struct page_cache page_cache_t;

/* Append the text for a snapshot to an empty buffer. */
typedef void page_write_fn(struct text_buffer *text, const struct latest_view *view, void *arg);

/* What a text shows beside the snapshot: another one makes it out of date. */
struct page_stamp {
    uint64_t words[2];
};

/* A reader's hold on a text, which never changes. */
struct cached_page {
    const struct text_buffer *text;     /* `failed`: it is cut; NULL when memory is short */
    void *hold;                         /* page_cache_release() */
};

/* Make a cache for texts of at most `limit` bytes.  Returns one the caller destroys, or NULL. */
page_cache_t *page_cache_new(size_t limit);
void page_cache_destroy(page_cache_t **self_p);

/* Take the text for the last snapshot as of `now_ns` (monotonic).  It is written anew when the
 * snapshot or its state, or the stamp is another one, or when it is PAGE_CACHE_MAX_NS old.
 * Any thread; waits while another writes.  Give it back with page_cache_release(). */
struct cached_page page_cache_take(page_cache_t *self, latest_t *latest, uint64_t now_ns,
                                   struct page_stamp stamp, page_write_fn *write, void *arg);
void page_cache_release(struct cached_page *page);

#endif
