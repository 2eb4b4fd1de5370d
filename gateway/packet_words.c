#include "packet_words.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

const char *const PACKET_GROUP_WORDS[PACKET_GROUPS] = { "TCP", "UDP", "ICMP", "OTHER" };
const char *const PACKET_DIRECTION_WORDS[PACKET_DIRECTIONS] = { "INGRESS", "EGRESS" };
const char *const PACKET_ACTION_WORDS[PACKET_ACTIONS] = { "PASS", "DROP", "SKIP", "SSH" };

const char *const PACKET_GROUP_LABELS[PACKET_GROUPS] = { "tcp", "udp", "icmp", "other" };
const char *const PACKET_DIRECTION_LABELS[PACKET_DIRECTIONS] = { "ingress", "egress" };
const char *const PACKET_ACTION_LABELS[PACKET_ACTIONS] = { "pass", "drop", "skip", "ssh" };

int packet_words_find(const char *const *words, int count, const char *word)
{
    for (int i = 0; i < count; i++)
        if (strcasecmp(words[i], word) == 0)
            return i;
    return -EINVAL;
}

size_t packet_words_tcp_flags(unsigned flags, char text[TCP_FLAGS_TEXT_SIZE])
{
    static const char NAMES[8][4] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR" };
    char *end = text;

    for (unsigned bit = 0; bit < 8; bit++) {
        if (!(flags >> bit & 1))
            continue;
        memcpy(end, NAMES[bit], 3);
        end[3] = ',';
        end += 4;
    }
    if (end > text)
        end--;
    *end = '\0';
    return (size_t) (end - text);
}
