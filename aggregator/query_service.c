#include "query_service.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "table_pages.h"
#include "zsock_setup.h"

struct query_service {
    zsock_t *socket;
    zloop_t *loop;
    const aggregate_t *aggregate;
    uint64_t bad_messages;
};

query_service_t *query_service_new(zsock_t *socket, const aggregate_t *aggregate)
{
    assert(socket && aggregate);

    query_service_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->socket = socket;
    self->aggregate = aggregate;
    return self;
}

void query_service_destroy(query_service_t **self_p)
{
    assert(self_p);
    free(*self_p);
    *self_p = NULL;
}

static void answer(query_service_t *self, const uint8_t *bytes, size_t size,
                   struct table_page *ret_page)
{
    struct table_query query;
    int rc = table_query_decode(&query, bytes, size);

    if (rc == 0)
        rc = table_pages_answer(self->aggregate, &query, clock_boot_ns(), clock_wall_ns(),
                                ret_page);
    else
        self->bad_messages++;
    if (rc == -ENOMEM)
        snprintf(ret_page->error, sizeof ret_page->error, "the aggregator is short of memory");
    else if (rc != 0)
        snprintf(ret_page->error, sizeof ret_page->error,
                 "this is no TableQuery, or one of its values is out of range");
}

static void reply(query_service_t *self, zmq_msg_t *request)
{
    struct table_page page = { 0 };
    uint8_t *bytes = NULL;
    size_t size = 0;

    answer(self, zmq_msg_data(request), zmq_msg_size(request), &page);
    if (table_page_encode(&page, &bytes, &size) != 0)
        size = 0;               /* an empty message is an empty page: the peer must not wait */
    zmq_send(zsock_resolve(self->socket), bytes, size, ZMQ_DONTWAIT);
    free(bytes);
    table_page_clear(&page);
}

static int on_more(zloop_t *loop, int timer_id, void *arg);

/* One query per turn: the next may take as long. */
static void take_query(query_service_t *self)
{
    void *handle = zsock_resolve(self->socket);
    zmq_msg_t request, rest;

    zmq_msg_init(&request);
    if (zmq_msg_recv(&request, handle, ZMQ_DONTWAIT) >= 0) {
        zmq_msg_init(&rest);
        for (bool more = zmq_msg_more(&request); more; more = zmq_msg_more(&rest))
            if (zmq_msg_recv(&rest, handle, ZMQ_DONTWAIT) < 0)
                break;
        zmq_msg_close(&rest);
        reply(self, &request);
    }
    zmq_msg_close(&request);
    if (zsock_events(self->socket) & ZMQ_POLLIN)
        zloop_timer(self->loop, 0, 1, on_more, self);
}

static int on_more(zloop_t *loop, int timer_id, void *arg)
{
    (void) loop;
    (void) timer_id;
    take_query(arg);
    return 0;
}

static int on_query(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void) loop;
    (void) item;
    take_query(arg);
    return 0;
}

int query_service_start(query_service_t *self, zloop_t *loop)
{
    self->loop = loop;
    return zsock_setup_watch_changes(loop, self->socket, on_query, self);
}

uint64_t query_service_bad_messages(const query_service_t *self) { return self->bad_messages; }
