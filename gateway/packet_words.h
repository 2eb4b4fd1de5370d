/* packet_words - the words that people read for protocols, verdicts, directions, TCP flags.
 */
#ifndef PACKET_WORDS_H
#define PACKET_WORDS_H

#include <stddef.h>

#include "packet_record.h"

#define TCP_FLAGS_TEXT_SIZE 32  /* "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR" and its NUL */

/* Upper case as in events, indexed by enum packet_group, packet_direction, packet_action. */
extern const char *const PACKET_GROUP_WORDS[PACKET_GROUPS];
extern const char *const PACKET_DIRECTION_WORDS[PACKET_DIRECTIONS];
extern const char *const PACKET_ACTION_WORDS[PACKET_ACTIONS];

/* Lower case as in metrics. */
extern const char *const PACKET_GROUP_LABELS[PACKET_GROUPS];
extern const char *const PACKET_DIRECTION_LABELS[PACKET_DIRECTIONS];
extern const char *const PACKET_ACTION_LABELS[PACKET_ACTIONS];

/* Find `word`, in any case, in one of the tables above.  Returns its index, or -EINVAL. */
int packet_words_find(const char *const *words, int count, const char *word);

/* Write "SYN,ACK" into `text`, "" for no flag.  Returns the length. */
size_t packet_words_tcp_flags(unsigned flags, char text[TCP_FLAGS_TEXT_SIZE]);

#endif
