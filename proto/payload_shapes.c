/* payload_shapes: where an alert holds, as its sender drew it. */
#include "proto/payload.h"
#include "proto/payload_check.h"
#include "proto/payload_show.h"

static void
tell_area(const Kurzweg__Area *area, payload_shape_fn *tell, void *self)
{
	for (size_t i = 0; i < area->n_polygon; i++)
		tell(self, false, area->polygon[i]);
	for (size_t i = 0; i < area->n_circle; i++)
		tell(self, true, area->circle[i]);
}

enum kw_err
payload_shapes(enum payload_type type, struct span in, const char *language, payload_shape_fn *tell, void *self, struct kw_why *why)
{
	const Kurzweg__Alert *a;
	struct capped memory;
	ProtobufCMessage *msg;
	enum kw_err err;
	size_t chosen;

	if (type != PAYLOAD_ALERT)
		return KW_OK;
	if ((err = payload_open_checked(&msg, &memory, type, in, why)) != KW_OK)
		return err;
	a = (const Kurzweg__Alert *)msg;
	chosen = a->n_info > 0 ? alert_choose(a, language) : 0;
	for (size_t i = 0; i < a->n_info; i++)
		for (size_t k = 0; alert_same_language(a, i, chosen) && k < a->info[i]->n_area; k++)
			tell_area(a->info[i]->area[k], tell, self);
	payload_close(msg, &memory);
	return KW_OK;
}
