/* texts: encoded when first asked for; found by looking through all, which are few beside the bytes of one. */
#include "broker/net/texts.h"

#include <stdlib.h>
#include <string.h>

#include "proto/parts.h"
#include "proto/wire.h"

struct text_part { struct text_part *next; uint32_t version, part; zmq_msg_t bytes; };

static struct text_part *
find(const struct texts *t, uint32_t version, uint32_t part)
{
	struct text_part *p = t->newest;

	while (p != NULL && (p->version != version || p->part != part))
		p = p->next;
	return p;
}

static enum kw_err
encode(zmq_msg_t *out, const struct agreement_chain *chain, const struct agreement *a, uint32_t part)
{
	struct span text = agreement_text(a);
	struct wire_msg m = {.kind = WIRE_AGREEMENT};
	struct buf bytes = BUF_INIT(KW_CONTROL_MAX + 1024u);
	enum kw_err err;

	m.agreement.version = agreement_version(a);
	m.agreement.part = part;
	m.agreement.total = (uint32_t)text.len;
	m.agreement.text = part_cut(text, part);
	if (part_is_last(part, text.len))
		m.agreement.sigs = agreement_chain_signatures(chain, m.agreement.version);
	err = wire_encode(&bytes, &m);
	if (err == KW_OK && zmq_msg_init_size(out, bytes.len) != 0)
		err = KW_ENOMEM;
	if (err == KW_OK)
		memcpy(zmq_msg_data(out), bytes.p, bytes.len);
	buf_free(&bytes);
	return err;
}

static enum kw_err
add(struct text_part **out, struct texts *t, const struct agreement_chain *chain, const struct agreement *a, uint32_t part)
{
	struct text_part *p = calloc(1, sizeof *p);
	enum kw_err err;

	if (p == NULL)
		return KW_ENOMEM;
	err = encode(&p->bytes, chain, a, part);
	if (err != KW_OK) {
		free(p);
		return err;
	}
	p->version = agreement_version(a);
	p->part = part;
	p->next = t->newest;
	t->newest = p;
	*out = p;
	return KW_OK;
}

enum kw_err
texts_message(struct texts *t, zmq_msg_t *out, const struct agreement_chain *chain, uint32_t version, uint32_t part)
{
	const struct agreement *a = agreement_chain_get(chain, version);
	struct text_part *p = find(t, version, part);

	if (a == NULL)
		return KW_ENOTFOUND;
	if (part >= part_count(agreement_text(a).len))
		return KW_EINVAL;
	if (p == NULL) {
		enum kw_err err = add(&p, t, chain, a, part);

		if (err != KW_OK)
			return err;
	}
	(void)zmq_msg_init(out);
	return zmq_msg_copy(out, &p->bytes) == 0 ? KW_OK : KW_ENOMEM;
}

void
texts_free(struct texts *t)
{
	while (t->newest != NULL) {
		struct text_part *p = t->newest;

		t->newest = p->next;
		(void)zmq_msg_close(&p->bytes);
		free(p);
	}
}
