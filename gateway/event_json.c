#include "event_json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "ip_addr.h"
#include "packet_words.h"

/* Append a string constant. */
#define PUT(end, constant) (memcpy((end), (constant), sizeof(constant) - 1), \
                            (end) + sizeof(constant) - 1)

static char *put_text(char *end, const char *text)
{
    size_t length = strlen(text);

    memcpy(end, text, length);
    return end + length;
}

static char *put_number(char *end, uint64_t value)
{
    char digits[20];
    int count = 0;

    do {
        digits[count++] = (char) ('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0)
        *end++ = digits[--count];
    return end;
}

static char *put_addr(char *end, const uint8_t addr[16])
{
    return end + ip_addr_format(addr, end);
}

static char *put_time(char *end, int64_t unix_ns, struct event_clock *clock)
{
    if (unix_ns < 0)            /* a peer's offset may be anything */
        unix_ns = 0;

    int64_t second = unix_ns / (int64_t) NS_PER_S;
    unsigned ms = (unsigned) (unix_ns / (int64_t) NS_PER_MS % 1000);
    if (clock->text[0] == '\0' || clock->second != second) {
        struct tm local = { 0 };
        time_t when = (time_t) second;
        localtime_r(&when, &local);
        strftime(clock->text, sizeof clock->text, "%H:%M:%S", &local);
        clock->second = second;
    }
    memcpy(end, clock->text, 8);
    end[8] = '.';
    end[9] = (char) ('0' + ms / 100);
    end[10] = (char) ('0' + ms / 10 % 10);
    end[11] = (char) ('0' + ms % 10);
    return end + 12;
}

/* Append at most `size` bytes of a name.  Those of interfaces are any bytes but "/" and white
 * space. */
static char *put_name(char *end, const char *name, size_t size)
{
    for (size_t i = 0; i < size && name[i] != '\0'; i++) {
        unsigned char c = (unsigned char) name[i];
        if (c == '"' || c == '\\')
            *end++ = '\\';
        *end++ = c < 0x20 || c >= 0x7f ? '?' : (char) c;
    }
    return end;
}

size_t event_json_format(const struct shown_event *event, const char *interface,
                         const char *collector, struct event_clock *clock, char *text)
{
    const struct packet_record *record = &event->record;
    char flags[TCP_FLAGS_TEXT_SIZE];
    char *end = text;

    packet_words_tcp_flags(record->tcp_flags, flags);
    end = put_number(PUT(end, "id: "), event->seq);
    end = put_time(PUT(end, "\ndata: {\"time\":\""),
                   (int64_t) (record->first_ns + (uint64_t) event->wall_offset_ns), clock);
    end = put_number(PUT(end, "\",\"seq\":"), event->seq);
    end = put_addr(PUT(end, ",\"src\":\""), record->src_addr);
    end = put_addr(PUT(end, "\",\"dst\":\""), record->dst_addr);
    end = put_number(PUT(end, "\",\"src_port\":"), record->src_port);
    end = put_number(PUT(end, ",\"dst_port\":"), record->dst_port);
    end = put_text(PUT(end, ",\"proto\":\""),
                   PACKET_GROUP_WORDS[packet_group_of(record->protocol)]);
    end = put_text(PUT(end, "\",\"action\":\""), PACKET_ACTION_WORDS[record->action & 3]);
    end = put_text(PUT(end, "\",\"direction\":\""), PACKET_DIRECTION_WORDS[record->direction & 1]);
    end = put_number(PUT(end, "\",\"ip_version\":"), record->ip_version);
    end = put_number(PUT(end, ",\"pkt_size\":"), record->bytes);
    end = put_number(PUT(end, ",\"packets\":"), record->packets);
    end = put_text(PUT(end, ",\"tcp_flags\":\""), flags);
    end = PUT(end, "\",\"interface\":\"");
    end = interface ? put_name(end, interface, 15) : put_number(PUT(end, "if"), record->ifindex);
    if (collector)
        end = put_name(PUT(end, "\",\"collector\":\""), collector, COLLECTOR_ID_SIZE - 1);
    end = PUT(end, "\"}\n\n");
    return (size_t) (end - text);
}
