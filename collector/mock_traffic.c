#include "mock_traffic.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS 12              /* in each address family */
#define LIVE 40                 /* conversations that go on at the same time */
#define SCENES 4                /* kinds of bursts */

enum step_kind {
    STREAM,                     /* TCP: handshake, exchange, end */
    INTERACTIVE,                /* the same with small packets both ways */
    DATAGRAMS,                  /* UDP both ways */
    QUESTION,                   /* one packet, one answer */
};

/* One kind of conversation: every client with every server from several ports. */
struct service {
    uint8_t version;            /* 4 or 6 */
    uint8_t protocol;
    uint16_t port;              /* of the server; 0 = no ports */
    uint8_t servers;
    uint8_t clients;
    uint8_t ports;              /* source ports of a client, in turn */
    uint8_t weight;             /* how often it is begun */
    enum step_kind kind;
    uint16_t shortest, longest; /* packets of the exchange */
};

static const struct service SERVICES[] = {
    { 4, IPPROTO_TCP, 443, 8, CLIENTS, 16, 22, STREAM, 6, 60 },
    { 6, IPPROTO_TCP, 443, 6, CLIENTS, 16, 14, STREAM, 6, 60 },
    { 4, IPPROTO_TCP, 443, 2, CLIENTS, 4, 2, STREAM, 300, 3000 },
    { 4, IPPROTO_TCP, 80, 2, CLIENTS, 8, 5, STREAM, 4, 20 },
    { 4, IPPROTO_TCP, 993, 1, CLIENTS, 4, 3, STREAM, 4, 12 },
    { 4, IPPROTO_TCP, 22, 1, 2, 8, 4, INTERACTIVE, 10, 60 },
    { 4, IPPROTO_UDP, 443, 4, CLIENTS, 16, 6, DATAGRAMS, 10, 400 },
    { 6, IPPROTO_UDP, 443, 4, CLIENTS, 16, 6, DATAGRAMS, 10, 400 },
    { 4, IPPROTO_UDP, 53, 2, CLIENTS, 16, 22, QUESTION, 2, 2 },
    { 6, IPPROTO_UDP, 53, 1, CLIENTS, 16, 12, QUESTION, 2, 2 },
    { 4, IPPROTO_UDP, 123, 1, CLIENTS, 1, 2, QUESTION, 2, 2 },
    { 4, IPPROTO_ICMP, 0, 2, CLIENTS, 1, 3, QUESTION, 8, 8 },
    { 6, IPPROTO_ICMPV6, 0, 2, CLIENTS, 1, 3, QUESTION, 8, 8 },
};
enum { SERVICE_COUNT = sizeof SERVICES / sizeof SERVICES[0] };

/* What a conversation needs to make packets: the record of its first one, client to server. */
struct conversation {
    struct packet_record record;
    const struct service *service;
};

struct live {
    uint32_t conversation;
    uint32_t step;
    uint32_t length;            /* packets of the exchange */
};

struct mock_traffic {
    uint64_t random;
    uint64_t count;             /* packets made */
    uint32_t conversation_count;
    struct conversation *conversations;
    uint32_t first_of[SERVICE_COUNT];   /* its first conversation */
    uint32_t size_of[SERVICE_COUNT];
    uint32_t turn_of[SERVICE_COUNT];
    uint32_t weights;
    struct live live[LIVE];
    uint16_t scan_port;
};

/* xorshift64* (Marsaglia 2003, Vigna 2016): fast, and the same everywhere. */
static uint32_t draw(mock_traffic_t *self)
{
    self->random ^= self->random >> 12;
    self->random ^= self->random << 25;
    self->random ^= self->random >> 27;
    return (uint32_t) (self->random * 0x2545f4914f6cdd1du >> 32);
}

/* 0 to limit - 1, without a division. */
static uint32_t draw_below(mock_traffic_t *self, uint32_t limit)
{
    return (uint32_t) ((uint64_t) draw(self) * limit >> 32);
}

/* ---- addresses ---- */

static void set_ipv4(uint8_t addr[16], uint32_t ipv4)
{
    memset(addr, 0, 10);
    addr[10] = addr[11] = 0xff;
    for (int i = 0; i < 4; i++)
        addr[12 + i] = (uint8_t) (ipv4 >> (24 - 8 * i));
}

static void set_ipv6(uint8_t addr[16], uint16_t net, uint16_t host)
{
    memset(addr, 0, 16);
    memcpy(addr, (uint8_t[]) { 0x20, 0x01, 0x0d, 0xb8, (uint8_t) (net >> 8), (uint8_t) net }, 6);
    addr[14] = (uint8_t) (host >> 8);
    addr[15] = (uint8_t) host;
}

static void set_client(uint8_t addr[16], uint8_t version, uint32_t client)
{
    if (version == 4)
        set_ipv4(addr, 0xc0a8010a + client);            /* 192.168.1.10 and on */
    else
        set_ipv6(addr, 1, (uint16_t) (0x10 + client));
}

/* The router for SSH and DNS, else one of the documentation ranges (RFC 5737, RFC 3849). */
static void set_server(uint8_t addr[16], const struct service *service, uint32_t server)
{
    static const uint32_t RANGES[] = { 0xc0000200, 0xc6336400, 0xcb007100 };
    uint32_t number = (uint32_t) (service - SERVICES) * 16 + server;

    if (service->version == 6)
        set_ipv6(addr, (uint16_t) (0xa0 + number / 16), (uint16_t) (1 + server));
    else if (service->port == 22 || (service->port == 53 && server == 0))
        set_ipv4(addr, 0xc0a80101);
    else
        set_ipv4(addr, RANGES[number % 3] + 10 + number % 200);
}

/* ---- preparation ---- */

static void prepare(struct conversation *conversation, const struct service *service,
                    uint32_t number)
{
    uint32_t client = number % service->clients, server = number / service->clients
        % service->servers, port = number / service->clients / service->servers;
    struct packet_record *record = &conversation->record;

    conversation->service = service;
    set_client(record->src_addr, service->version, client);
    set_server(record->dst_addr, service, server);
    record->protocol = service->protocol;
    record->ip_version = service->version;
    record->packets = 1;
    record->direction = PACKET_INGRESS;     /* we stand on the LAN side of the router */
    if (service->port == 0)
        return;
    record->dst_port = service->port;
    record->src_port = service->port == 123 ? 123 : (uint16_t) (32768 + port * 1811 + client * 97
                                                                + server * 13);
}

static bool prepare_all(mock_traffic_t *self)
{
    for (uint32_t i = 0; i < SERVICE_COUNT; i++) {
        const struct service *service = &SERVICES[i];
        self->first_of[i] = self->conversation_count;
        self->size_of[i] = (uint32_t) service->servers * service->clients * service->ports;
        self->conversation_count += self->size_of[i];
        self->weights += service->weight;
    }
    self->conversations = calloc(self->conversation_count, sizeof *self->conversations);
    for (uint32_t i = 0; self->conversations && i < SERVICE_COUNT; i++)
        for (uint32_t number = 0; number < self->size_of[i]; number++)
            prepare(&self->conversations[self->first_of[i] + number], &SERVICES[i], number);
    return self->conversations != NULL;
}

static void begin(mock_traffic_t *self, struct live *live)
{
    uint32_t ticket = draw_below(self, self->weights), i = 0;

    while (ticket >= SERVICES[i].weight)
        ticket -= SERVICES[i++].weight;
    /* A step that is prime to every size: neighbours in time are no neighbours in the table. */
    self->turn_of[i] = (self->turn_of[i] + 7919) % self->size_of[i];
    live->conversation = self->first_of[i] + self->turn_of[i];
    live->step = 0;
    live->length = SERVICES[i].shortest
        + draw_below(self, SERVICES[i].longest - SERVICES[i].shortest + 1u);
}

mock_traffic_t *mock_traffic_new(uint64_t seed)
{
    mock_traffic_t *self = calloc(1, sizeof *self);

    if (!self)
        return NULL;
    self->random = (seed + 1) * 0x9e3779b97f4a7c15u;    /* neighbouring seeds, other streams */
    if (self->random == 0)
        self->random = 1;
    if (!prepare_all(self)) {
        mock_traffic_destroy(&self);
        return NULL;
    }
    for (int i = 0; i < LIVE; i++)
        begin(self, &self->live[i]);
    return self;
}

void mock_traffic_destroy(mock_traffic_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    free((*self_p)->conversations);
    free(*self_p);
    *self_p = NULL;
}

/* ---- packets of a conversation ---- */

/* Turn a record that goes to the server into one that comes from it. */
static void turn_round(struct packet_record *record)
{
    uint8_t addr[16];
    uint16_t port = record->src_port;

    memcpy(addr, record->src_addr, 16);
    memcpy(record->src_addr, record->dst_addr, 16);
    memcpy(record->dst_addr, addr, 16);
    record->src_port = record->dst_port;
    record->dst_port = port;
    record->direction ^= 1;
}

/* Handshake, `length` packets of data, end.  Returns true when it comes from the server; *ret_last
 * is true for the last one. */
static bool step_stream(mock_traffic_t *self, const struct live *live, bool interactive,
                        struct packet_record *record, bool *ret_last)
{
    uint32_t header = record->ip_version == 4 ? 52 : 72;        /* TCP with the timestamp option */
    uint32_t at = live->step, end = 3 + live->length;

    record->tcp_flags = PACKET_TCP_ACK;
    record->bytes = header;
    *ret_last = at == end + 2;
    if (at < 3 || at >= end) {
        static const uint8_t OPEN[] = { PACKET_TCP_SYN, PACKET_TCP_SYN | PACKET_TCP_ACK,
                                        PACKET_TCP_ACK };
        static const uint8_t CLOSE[] = { PACKET_TCP_FIN | PACKET_TCP_ACK,
                                         PACKET_TCP_FIN | PACKET_TCP_ACK, PACKET_TCP_ACK };
        record->tcp_flags = at < 3 ? OPEN[at] : CLOSE[at - end];
        record->bytes += at < 2 ? 8 : 0;
        return (at < 3 ? at : at - end) == 1;
    }
    bool from_server = at % 3 != 0;     /* a request or an acknowledgement, then two answers */
    uint32_t most = record->ip_version == 4 ? 1448 : 1428;
    if (interactive)
        record->bytes += 36 + (draw(self) & 127);
    else if (from_server)
        record->bytes += at % 7 == 0 ? 1 + (draw(self) & 1023) : most;
    else if (at == 3 || (draw(self) & 7) == 0)
        record->bytes += 80 + (draw(self) & 511);
    if (record->bytes > header && record->bytes < header + most)
        record->tcp_flags |= PACKET_TCP_PSH;
    return from_server;
}

static bool step_datagrams(mock_traffic_t *self, const struct live *live,
                           struct packet_record *record, bool *ret_last)
{
    uint32_t header = record->ip_version == 4 ? 28 : 48;
    bool from_server = live->step == 1 || (live->step > 1 && (draw(self) & 3) != 0);

    record->bytes = header + (live->step < 2 ? 1200 : from_server ? 1250 : 33 + (draw(self) & 31));
    *ret_last = live->step + 1 >= live->length;
    return from_server;
}

static bool step_question(mock_traffic_t *self, const struct live *live,
                          struct packet_record *record, bool *ret_last)
{
    bool from_server = live->step & 1, dns = record->dst_port == 53;
    uint32_t payload = dns ? 32 + (draw(self) & (from_server ? 255 : 31))
        : record->dst_port ? 48 : 56;

    record->bytes = (record->ip_version == 4 ? 28 : 48) + payload;
    *ret_last = live->step + 1 >= live->length;
    return from_server;
}

static void next_of_conversation(mock_traffic_t *self, struct packet_record *record,
                                 uint32_t *ret_path)
{
    struct live *live = &self->live[draw_below(self, LIVE)];
    const struct conversation *conversation = &self->conversations[live->conversation];
    bool is_last = false, from_server = false;

    *record = conversation->record;
    switch (conversation->service->kind) {
    case STREAM:
    case INTERACTIVE:
        from_server = step_stream(self, live, conversation->service->kind == INTERACTIVE, record,
                                  &is_last);
        break;
    case DATAGRAMS:
        from_server = step_datagrams(self, live, record, &is_last);
        break;
    case QUESTION:
        from_server = step_question(self, live, record, &is_last);
        break;
    }
    if (from_server)
        turn_round(record);
    *ret_path = 2 * live->conversation + from_server;
    live->step++;
    if (is_last)
        begin(self, live);
}

/* ---- bursts ---- */

/* One outside address and one of the LAN, and what it does there. */
static void next_of_burst(mock_traffic_t *self, uint32_t scene, struct packet_record *record,
                          uint32_t *ret_path)
{
    static const uint32_t OUTSIDE[SCENES] = { 0xcb007142, 0xc633644d, 0xc0000250, 0xcb007117 };
    static const uint32_t INSIDE[SCENES] = { 0xc0a80114, 0xc0a8011e, 0xc0a8010c, 0xc0a80101 };

    memset(record, 0, sizeof *record);
    set_ipv4(record->src_addr, OUTSIDE[scene]);
    set_ipv4(record->dst_addr, INSIDE[scene]);
    record->ip_version = 4;
    record->packets = 1;
    record->direction = PACKET_EGRESS;
    record->protocol = scene == 3 ? IPPROTO_ICMP : IPPROTO_TCP;
    record->bytes = scene == 3 ? 84 : scene == 2 ? 1500 : 40;
    *ret_path = 2 * (self->conversation_count + scene);
    if (scene == 3)
        return;
    record->tcp_flags = scene == 2 ? PACKET_TCP_ACK : PACKET_TCP_SYN;
    record->src_port = scene == 0 ? 54321 : scene == 1 ? (uint16_t) (1024 + draw_below(self, 512))
        : 443;
    record->dst_port = scene == 0 ? (uint16_t) (1 + self->scan_port) : scene == 1 ? 443 : 40000;
    if (scene == 0)
        self->scan_port = (self->scan_port + 1) & 1023;
}

void mock_traffic_next(mock_traffic_t *self, struct packet_record *ret_record, uint32_t *ret_path)
{
    uint64_t cycle = self->count / (MOCK_CALM + MOCK_BURST);

    if (mock_traffic_in_burst(self))
        next_of_burst(self, cycle % SCENES, ret_record, ret_path);
    else
        next_of_conversation(self, ret_record, ret_path);
    self->count++;
}

uint32_t mock_traffic_paths(const mock_traffic_t *self)
{
    return 2 * (self->conversation_count + SCENES);
}

bool mock_traffic_in_burst(const mock_traffic_t *self)
{
    return self->count % (MOCK_CALM + MOCK_BURST) >= MOCK_CALM;
}
