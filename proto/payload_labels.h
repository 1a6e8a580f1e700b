/* payload_labels: what fields and words are called when a person reads them, in German and English. Pure. */
#ifndef KW_PROTO_PAYLOAD_LABELS_H
#define KW_PROTO_PAYLOAD_LABELS_H

#include <stdbool.h>
#include <stddef.h>

/* The label of a field by its name in JSON ("neededBy"); the name itself when nobody gave it a label. */
const char *label_of(const char *field, bool german);
/* A schema's word ("Immediate") as people say it, in lower case where the language has it so; the word itself when unknown. */
const char *word_of(const char *of, const char *word, bool german);

#endif
