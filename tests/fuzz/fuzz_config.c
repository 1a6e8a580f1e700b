/* Any text as a configuration file, of the broker and of the partner's daemon. */
#include <sys/mman.h>
#include <unistd.h>

#include "broker/config.h"
#include "clients/partner/config.h"
#include "fuzz.h"
#include "proto/topic.h"

static void
of_broker(struct span text)
{
	struct broker_config c;
	struct kw_why why = {""};
	char path[64];
	int fd = memfd_create("broker.yaml", 0);

	if (fd < 0 || write(fd, text.p, text.len) != (ssize_t)text.len)
		abort();
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (broker_config_read(&c, path, &why) == KW_OK) {
		HOLDS(c.agreement != NULL && c.key != NULL && c.listen_count >= 1 && c.listen_count <= BROKER_LISTEN_MAX && c.store_path != NULL, "not whole");
		broker_config_free(&c);
	} else {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
	}
	(void)close(fd);
}

static void
of_partner(struct span text)
{
	struct partner_config c;
	struct kw_why why = {""};

	if (config_parse(&c, text, &why) == KW_OK) {
		HOLDS(c.agreement != NULL && c.key != NULL && c.socket != NULL && c.state != NULL && c.handler_count <= CONFIG_HANDLERS_MAX, "not whole");
		for (uint32_t i = 0; i < c.filter_count; i++)
			HOLDS(filter_check(c.filters[i], &why) == KW_OK, why.text);
	} else {
		HOLDS(why.text[0] != '\0', "refused without a sentence");
	}
	config_free(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	of_broker(span_of(p, len));
	of_partner(span_of(p, len));
	return 0;
}
