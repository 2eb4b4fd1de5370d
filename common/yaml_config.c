#include "yaml_config.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    const struct yaml_handler *handler;
    const char *block, *key;    /* of a single value, NULL in a document */
};

__attribute__((format(printf, 3, 4)))
static void report(struct reader *self, unsigned line, const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    self->handler->on_mistake(line, message, self->handler->arg);
}

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned) event->start_mark.line + 1;
}

/* Take the next event.  Returns false after reporting a syntax error: nothing more can be read. */
static bool take(struct reader *self, yaml_event_t *ret_event)
{
    if (yaml_parser_parse(&self->parser, ret_event))
        return true;
    memset(ret_event, 0, sizeof *ret_event);
    const char *problem = self->parser.problem ? self->parser.problem : "out of memory";
    const char *context = self->parser.context ? self->parser.context : "";
    const char *space = self->parser.context ? " " : "";
    unsigned line = (unsigned) self->parser.problem_mark.line + 1;
    if (self->key)
        report(self, line, "%s.%s: not valid YAML: %s%s%s", self->block, self->key, problem, space,
               context);
    else
        report(self, line, "not valid YAML: %s%s%s", problem, space, context);
    return false;
}

/* Pass over the rest of the node that began with `event`.  Returns false after a mistake behind
 * which nothing can be read. */
static bool skip_rest(struct reader *self, const yaml_event_t *event)
{
    int depth = event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT;

    while (depth > 0) {
        yaml_event_t inner;
        if (!take(self, &inner))
            return false;
        if (inner.type == YAML_MAPPING_START_EVENT || inner.type == YAML_SEQUENCE_START_EVENT)
            depth++;
        else if (inner.type == YAML_MAPPING_END_EVENT || inner.type == YAML_SEQUENCE_END_EVENT)
            depth--;
        unsigned line = line_of(&inner);
        yaml_event_delete(&inner);
        if (depth > YAML_MAX_DEPTH) {
            report(self, line, "not valid YAML here: nested deeper than %d", YAML_MAX_DEPTH);
            return false;
        }
    }
    return true;
}

static bool take_and_skip(struct reader *self)
{
    yaml_event_t event;

    if (!take(self, &event))
        return false;
    bool ok = skip_rest(self, &event);
    yaml_event_delete(&event);
    return ok;
}

/* Refuse what makes a node mean more than its text.  `what` names the node in the message. */
static bool is_plain(struct reader *self, const yaml_event_t *event, const char *what)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (event->type == YAML_ALIAS_EVENT) {
        report(self, line_of(event), "%s: aliases (*%.40s) are not taken: write the value out",
               what, (const char *) event->data.alias.anchor);
        return false;
    }
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor)
        report(self, line_of(event), "%s: anchors (&%.40s) are not taken: leave it out", what,
               (const char *) anchor);
    if (tag)
        report(self, line_of(event), "%s: tags (%.40s) are not taken: leave it out", what,
               (const char *) tag);
    return !anchor && !tag;
}

/* True for text that stays on one line on every terminal.  libyaml has checked that it is UTF-8. */
static bool is_one_line(const yaml_char_t *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] < 0x20 || text[i] == 0x7f)
            return false;
        if (text[i] == 0xc2 && text[i + 1] < 0xa0)                              /* C1 controls */
            return false;
        if (text[i] == 0xe2 && text[i + 1] == 0x80 && (text[i + 2] | 1) == 0xa9) /* U+2028, 2029 */
            return false;
        if (text[i] == 0xef && text[i + 1] == 0xbb && text[i + 2] == 0xbf)      /* U+FEFF */
            return false;
    }
    return true;
}

/* The text of a scalar, or NULL after reporting why it cannot be taken. */
static const char *scalar_text(struct reader *self, const yaml_event_t *event, const char *what)
{
    if (!is_plain(self, event, what))
        return NULL;
    if (!is_one_line(event->data.scalar.value, event->data.scalar.length)) {
        report(self, line_of(event), "%s: holds a control character: write text of one line", what);
        return NULL;
    }
    return (const char *) event->data.scalar.value;
}

/* Read the entries of a list up to its end and hand the list on if all of them are fine.
 * Returns false on a syntax error. */
static bool read_list(struct reader *self, const char *block, const char *key, const char *what,
                      unsigned line)
{
    yaml_event_t events[YAML_MAX_ITEMS + 1];
    struct yaml_value value = { .line = line, .is_list = true };
    bool readable = true, fine = true, open = true;
    uint32_t held = 0;

    while (open && (readable = take(self, &events[held]))) {
        yaml_event_t *event = &events[held];
        open = event->type != YAML_SEQUENCE_END_EVENT;
        if (open && held == YAML_MAX_ITEMS) {
            if (fine)
                report(self, line_of(event), "%s: has more than %d entries", what, YAML_MAX_ITEMS);
            fine = false;
        } else if (open && event->type == YAML_SCALAR_EVENT) {
            const char *text = scalar_text(self, event, what);
            fine = fine && text;
            value.items[held++] = text;
            continue;
        } else if (open && is_plain(self, event, what)) {
            report(self, line_of(event), "%s: an entry must be a word or a number", what);
            fine = false;
        } else if (open) {
            fine = false;
        }
        readable = skip_rest(self, event);
        yaml_event_delete(event);
        if (!readable)
            break;
    }
    value.size = held;
    if (readable && fine)
        self->handler->on_value(block, key, &value, self->handler->arg);
    while (held > 0)
        yaml_event_delete(&events[--held]);
    return readable;
}

/* Read the value that begins with `event`.  Returns false on a syntax error. */
static bool read_value(struct reader *self, const yaml_event_t *event, const char *block,
                       const char *key)
{
    char what[136];
    snprintf(what, sizeof what, "%.64s.%.64s", block, key);

    if (event->type == YAML_SCALAR_EVENT) {
        const char *text = scalar_text(self, event, what);
        struct yaml_value value = { .line = line_of(event), .size = 1, .items = { text } };
        if (text)
            self->handler->on_value(block, key, &value, self->handler->arg);
        return true;
    }
    if (!is_plain(self, event, what))
        return skip_rest(self, event);
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return read_list(self, block, key, what, line_of(event));
    report(self, line_of(event), "%s: must be a value or a list, not a block of keys", what);
    return skip_rest(self, event);
}

/* Read "key: value" pairs up to the end of the mapping.  `block` is NULL at the top, where every
 * value is a block.  Returns false on a syntax error. */
static bool read_pairs(struct reader *self, const char *block);

static bool read_block(struct reader *self, const yaml_event_t *event, const char *name,
                       unsigned line)
{
    bool is_empty = event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0;
    char what[72];
    snprintf(what, sizeof what, "%.64s", name);

    if (!self->handler->on_block(name, line, self->handler->arg))
        return skip_rest(self, event);
    if (is_plain(self, event, what)) {
        if (event->type == YAML_MAPPING_START_EVENT)
            return read_pairs(self, name);
        if (!is_empty)
            report(self, line_of(event), "%s: must be a block of keys, each on a line of its own",
                   what);
    }
    return skip_rest(self, event);
}

static bool read_pair(struct reader *self, const char *block, const yaml_event_t *key)
{
    const char *what = block ? block : "a block's name";
    yaml_event_t value;

    if (key->type != YAML_SCALAR_EVENT) {
        if (is_plain(self, key, what))
            report(self, line_of(key), "%s: a key must be a word", what);
        return skip_rest(self, key) && take_and_skip(self);
    }
    const char *name = scalar_text(self, key, what);
    if (!name)
        return take_and_skip(self);
    if (!take(self, &value))
        return false;
    bool readable = block ? read_value(self, &value, block, name)
                          : read_block(self, &value, name, line_of(key));
    yaml_event_delete(&value);
    return readable;
}

static bool read_pairs(struct reader *self, const char *block)
{
    for (;;) {
        yaml_event_t key;
        if (!take(self, &key))
            return false;
        bool at_end = key.type == YAML_MAPPING_END_EVENT;
        bool readable = at_end || read_pair(self, block, &key);
        yaml_event_delete(&key);
        if (at_end || !readable)
            return readable;
    }
}

/* Read the top of a document.  Returns false on a syntax error. */
static bool read_top(struct reader *self)
{
    yaml_event_t event;

    if (!take(self, &event))
        return false;
    bool readable = true;
    bool is_empty = event.type == YAML_SCALAR_EVENT && event.data.scalar.length == 0;
    if (!is_plain(self, &event, "the file")) {
        readable = skip_rest(self, &event);
    } else if (event.type == YAML_MAPPING_START_EVENT) {
        readable = read_pairs(self, NULL);
    } else {
        if (!is_empty)
            report(self, line_of(&event), "the file must hold blocks of keys, such as \"server:\"");
        readable = skip_rest(self, &event);
    }
    yaml_event_delete(&event);
    return readable;
}

/* Read one document or single value.  Anything behind it is a mistake. */
static void read_stream(struct reader *self)
{
    unsigned documents = 0;
    bool at_end = false;

    while (!at_end) {
        yaml_event_t event;
        bool readable = true;
        if (!take(self, &event))
            return;
        at_end = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && documents++ > 0) {
            report(self, line_of(&event), "a second document begins here: write all in one");
            at_end = true;
        } else if (event.type == YAML_DOCUMENT_START_EVENT && self->key) {
            yaml_event_t value;
            readable = take(self, &value) && read_value(self, &value, self->block, self->key);
            yaml_event_delete(&value);
        } else if (event.type == YAML_DOCUMENT_START_EVENT) {
            readable = read_top(self);
        }
        yaml_event_delete(&event);
        if (!readable)
            return;
    }
    if (self->key && documents == 0) {        /* libyaml sees no document in an empty text */
        struct yaml_value empty = { .line = 1, .size = 1, .items = { "" } };
        self->handler->on_value(self->block, self->key, &empty, self->handler->arg);
    }
}

static void read_text(const char *text, size_t size, const char *block, const char *key,
                      const struct yaml_handler *handler)
{
    struct reader self = { .handler = handler, .block = block, .key = key };

    if (size > YAML_MAX_BYTES) {
        report(&self, 0, "is longer than %d bytes", YAML_MAX_BYTES);
        return;
    }
    if (!yaml_parser_initialize(&self.parser)) {
        report(&self, 0, "cannot be read: out of memory");
        return;
    }
    yaml_parser_set_encoding(&self.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&self.parser, (const unsigned char *) text, size);
    read_stream(&self);
    yaml_parser_delete(&self.parser);
}

void yaml_config_read(const char *text, size_t size, const struct yaml_handler *handler)
{
    assert(text && handler);
    read_text(text, size, NULL, NULL, handler);
}

void yaml_config_read_value(const char *text, size_t size, const char *block, const char *key,
                            const struct yaml_handler *handler)
{
    assert(text && block && key && handler);
    read_text(text, size, block, key, handler);
}
