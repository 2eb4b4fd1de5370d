#include "collector_table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table_memory.h"

struct collector_table {
    struct collector *collectors;
    uint32_t size;
};

collector_table_t *collector_table_new(void)
{
    collector_table_t *self = calloc(1, sizeof *self);

    if (!self)
        return NULL;
    self->collectors = table_memory_new(SNAPSHOT_MAX_COLLECTORS, sizeof *self->collectors);
    if (!self->collectors)
        collector_table_destroy(&self);
    return self;
}

void collector_table_destroy(collector_table_t **self_p)
{
    assert(self_p);
    if (!*self_p)
        return;
    table_memory_free((*self_p)->collectors, SNAPSHOT_MAX_COLLECTORS, sizeof(struct collector));
    free(*self_p);
    *self_p = NULL;
}

const struct collector *collector_table_known(const collector_table_t *self, const char *id)
{
    for (uint32_t i = 0; i < self->size; i++)
        if (strcmp(self->collectors[i].id, id) == 0)
            return &self->collectors[i];
    return NULL;
}

struct collector *collector_table_find(collector_table_t *self, const char *id)
{
    assert(self && id && strlen(id) < COLLECTOR_ID_SIZE);

    const struct collector *known = collector_table_known(self, id);
    if (known)
        return &self->collectors[known->index];
    if (self->size == SNAPSHOT_MAX_COLLECTORS)
        return NULL;

    struct collector *collector = &self->collectors[self->size];
    collector->index = self->size++;
    snprintf(collector->id, sizeof collector->id, "%s", id);
    return collector;
}

uint32_t collector_table_size(const collector_table_t *self) { return self->size; }

const struct collector *collector_table_at(const collector_table_t *self, uint32_t index)
{
    assert(index < self->size);
    return &self->collectors[index];
}

void collector_table_mark_away(collector_table_t *self, uint64_t since_ns,
                               collector_away_fn *on_away, void *arg)
{
    for (uint32_t i = 0; i < self->size; i++) {
        struct collector *collector = &self->collectors[i];
        if (collector->is_away || collector->heard_ns >= since_ns)
            continue;
        collector->is_away = true;
        on_away(collector, arg);
    }
}

bool collector_table_all_away(const collector_table_t *self)
{
    for (uint32_t i = 0; i < self->size; i++)
        if (!self->collectors[i].is_away)
            return false;
    return self->size > 0;
}
