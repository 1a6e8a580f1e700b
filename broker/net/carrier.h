/*
 * carrier: a notification's bytes as they travel: the blob that the core counts, over a ZeroMQ message that is shared, not
 * copied, by everyone it goes to.
 */
#ifndef KW_BROKER_CARRIER_H
#define KW_BROKER_CARRIER_H

#include <zmq.h>

#include "broker/core/blob.h"
#include "broker/store/store.h"
#include "proto/frame.h"
#include "proto/header.h"

/*
 * From a publish: takes what *frame holds (it is empty afterwards), copies wraps. f is set to spans of the message's new
 * place. NULL: out of memory, or the frame is none; *frame is then as it was.
 */
struct blob *carrier_of_publish(zmq_msg_t *frame, struct span wraps, const struct header *h, struct frame *f);
/* From the store: the whole frame, or its head alone where the body is gone or not wanted; wrap NULL: none. */
struct blob *carrier_of_stored(const struct store_entry *e, bool with_body, const uint8_t *wrap, bool want_topic);
/* An entry of the broker's own. */
struct blob *carrier_of_entry(struct span bytes);

/* A message to send: a shared reference to the whole, or a copy of the head. false: out of memory. */
KW_MUST_USE bool carrier_message(zmq_msg_t *out, struct blob *b, bool whole);

#endif
