/* list_json - the lists as JSON text: {"blacklist":[...],"whitelist":[...]}.
 *
 * An entry is "192.0.2.1" or {"ip":"192.0.2.0/24","expires":1767225600.5,"added":...,"reason":"x"}
 * with times in unix seconds.  In memory expiry is boot time: a clock that jumps moves nothing.
 * "clock":{"boot_id":"...","offset_ns":N} tells by which clock the file was written, unix time -
 * boot time in ns: within the same boot its times are read by that one, whatever the clock says
 * since.
 * Changes that wait to be confirmed are beside them, if there are any:
 * "unconfirmed":[{"id":"5f0c6d1be2a94c03","until":1767225600,"list":"blacklist","ip":"192.0.2.1",
 * "removed":false,"expires":...,"before":ENTRY}]; "before" is missing if it was not listed.
 */
#ifndef LIST_JSON_H
#define LIST_JSON_H

#include <stdio.h>

#include "unconfirmed_changes.h"

#define LIST_JSON_MAX_BYTES (64u << 20)

/* Called with a sentence for people about something that is wrong. */
typedef void list_report_fn(const char *sentence, void *arg);

struct list_json_reading {
    uint64_t boot_ns;           /* now: what has expired by then is left out */
    int64_t wall_offset_ns;     /* unix time - boot time, now; out: by which the file was read */
    const char *boot_id;        /* of this boot, "" = not known */
    list_report_fn *report;
    void *arg;
    unconfirmed_changes_t *unconfirmed;     /* read into this; NULL: they are not looked at */
    uint32_t problems;          /* out: entries and keys that were not used as they stand */
};

/* Read the text into `lists`, which must be empty.  A single entry that is wrong is reported with
 * its place and value and left out; an unknown key is reported and ignored.
 * Returns 0, -EBADMSG when the text as a whole is no lists file (`why`, at least 256 bytes, says
 * why; the lists are still empty), or -ENOMEM. */
int list_json_read(ip_list_t *lists, const char *bytes, size_t size,
                   struct list_json_reading *reading, char *why, size_t why_size);

/* Write the lists, and the unconfirmed changes if not NULL; and by which clock, if times are told
 * and `boot_id` is not "".
 * Returns 0, or -errno when `file` took not all of it. */
int list_json_write(const ip_list_t *lists, const unconfirmed_changes_t *unconfirmed,
                    const char *boot_id, int64_t wall_offset_ns, FILE *file);

#endif
