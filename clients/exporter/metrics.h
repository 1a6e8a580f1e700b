/*
 * metrics: how a broker or a node stands, as Prometheus reads it (text exposition format 0.0.4; names and base units by its
 * conventions), from the JSON that they answer with. Pure. No label holds a topic, a case or anything of a notification.
 *
 * What an answer does not hold has no line: a value that is not known is never told as 0.
 */
#ifndef KW_EXPORTER_METRICS_H
#define KW_EXPORTER_METRICS_H

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"

enum metrics_of { METRICS_BROKER, METRICS_NODE };

/*
 * Appends everything. status NULL: nobody answered, and kurzweg_up 0 stands alone. nodes: an array of the broker's nodes (docs/protocol.md [O-4]),
 * NULL where they are not wanted. took_s: how long the asking took. KW_ENOMEM: out holds a part, which is not to be shown.
 */
KW_MUST_USE enum kw_err metrics_put(struct buf *out, enum metrics_of of, const json_t *status, const json_t *nodes, double took_s);

#endif
