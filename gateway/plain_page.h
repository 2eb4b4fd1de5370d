/* plain_page - the page that is built into the program: live events and the busiest addresses.
 *
 * It is served when there is no folder with the real one.  Its three files stand beside this one.
 */
#ifndef PLAIN_PAGE_H
#define PLAIN_PAGE_H

struct plain_file {
    const char *path;           /* as in the request; NULL ends the table */
    const char *begin, *end;
};

extern const struct plain_file PLAIN_PAGE[];

#endif
