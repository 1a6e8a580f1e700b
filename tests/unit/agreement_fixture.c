/* agreement_fixture: see its header. */
#include "agreement_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

const char fixture_text[] =
	"partnership: musterstadt\n"                                                                       /* 1 */
	"version: 1\n"
	"valid: {from: 2026-12-01T00:00:00+01:00, until: 2027-12-01T00:00:00+01:00, grace: 30d}\n"
	"kind: live\n"
	"steering:\n"                                                                                      /* 5 */
	"  threshold: 2\n"
	"  members: [{name: mayor, key: \"%mayor\"}, {name: president, key: \"%president\"}, {name: prosecutor, key: \"%prosecutor\"}]\n"
	"broker: {name: haus, endpoints: [\"tcp://broker.example.org:7411\"], key: \"%haus\"}\n"
	"coordinator: city/crime-prevention\n"
	"operators: [{name: night-desk, key: \"%night-desk\"}]\n"                                          /* 10 */
	"partners:\n"
	"  - {id: police, kind: police, title: \"Police headquarters\", nodes: [{id: control-room, key: \"%police/control-room\"}]}\n"
	"  - {id: city, kind: city, nodes: [{id: public-order, key: \"%city/public-order\"}, {id: crime-prevention, key: \"%city/crime-prevention\"}]}\n"
	"  - {id: youth-house, kind: civil, purposes: [danger-prevention], nodes: [{id: office, key: \"%youth-house/office\"}]}\n"
	"  - {id: shelter, kind: civil, purposes: [care], nodes: [{id: desk, key: \"%shelter/desk\"}]}\n"  /* 15 */
	"topics:\n"
	"  - {filter: \"alert/flood/#\", schema: alert, purpose: danger-prevention, publish: [city], receive: [police, civil], lane: urgent}\n"
	"  - {filter: \"alert/#\", schema: alert, purpose: danger-prevention, publish: [police, city], receive: [police, city, youth-house],\n"
	"     lane: flash, keep: {content: 14d, proof: 2y}, deliver_within: 3m}\n"
	"  - filter: \"request/noise/#\"\n"                                                                 /* 20 */
	"    schema: request\n"
	"    publish: [\"*\"]\n"
	"    receive: [police, city]\n"
	"    responsible:\n"
	"      - {who: city/public-order, hours: \"Mo-Su 06:00-22:00\", take_within: 10m}\n"               /* 25 */
	"      - {who: police/control-room, take_within: 5m}\n"
	"  - {filter: \"statement/#\", schema: statement, publish: [police, city], receive: [\"*\"], release: {approve: [police, city]}}\n"
	"  - {filter: \"+/report\", schema: report, publish: [youth-house], receive: [police], lane: routine, keep: {content: 2y}}\n";

static struct {
	const char *name;
	enum key_kind kind;
	enum kw_mode mode;
	const char *in_key;     /* when the key says another name than it is called here */
	struct secret_keys *keys;
} all[] = {
	{"mayor", KEY_STEERING, MODE_LIVE, NULL, NULL},
	{"president", KEY_STEERING, MODE_LIVE, NULL, NULL},
	{"prosecutor", KEY_STEERING, MODE_LIVE, NULL, NULL},
	{"treasurer", KEY_STEERING, MODE_LIVE, NULL, NULL},
	{"haus", KEY_BROKER, MODE_LIVE, NULL, NULL},
	{"night-desk", KEY_NODE, MODE_LIVE, NULL, NULL},
	{"police/control-room", KEY_NODE, MODE_LIVE, NULL, NULL},
	{"police/second", KEY_NODE, MODE_LIVE, NULL, NULL},
	{"city/public-order", KEY_NODE, MODE_LIVE, NULL, NULL},
	{"city/crime-prevention", KEY_NODE, MODE_LIVE, NULL, NULL},
	{"youth-house/office", KEY_NODE, MODE_LIVE, NULL, NULL},
	{"shelter/desk", KEY_NODE, MODE_LIVE, NULL, NULL},
	{"new-police", KEY_NODE, MODE_LIVE, "police/control-room", NULL},
	{"drill-police", KEY_NODE, MODE_EXERCISE, "police/control-room", NULL},
	{"drill-haus", KEY_BROKER, MODE_EXERCISE, "haus", NULL},
	{"drill-a", KEY_NODE, MODE_EXERCISE, "a/b", NULL},
	{"drill-desk", KEY_NODE, MODE_EXERCISE, "night-desk", NULL},
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int
fixture_make_keys(void **state)
{
	struct kw_why why = {{0}};

	(void)state;
	if (sodium_init() < 0)
		return -1;
	for (size_t i = 0; i < COUNT(all); i++) {
		if (secret_keys_new(&all[i].keys, all[i].kind, all[i].mode, all[i].in_key != NULL ? all[i].in_key : all[i].name, &why) == KW_OK)
			continue;
		print_error("%s: %s\n", all[i].name, why.text);
		return -1;
	}
	return 0;
}

int
fixture_free_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		secret_keys_free(&all[i].keys);
	return 0;
}

const struct secret_keys *
fixture_key(const char *name)
{
	for (size_t i = 0; i < COUNT(all); i++)
		if (strcmp(all[i].name, name) == 0)
			return all[i].keys;
	fail_msg("no key %s", name);
	return NULL;
}

void
fixture_expand(struct buf *out, const char *text, const char *find, const char *replace)
{
	struct buf edited = BUF_INIT(1u << 22);
	const char *at = find != NULL ? strstr(text, find) : NULL, *p;
	char name[80];

	if (find != NULL && at == NULL)
		fail_msg("not in the text: %s", find);
	buf_put(&edited, text, at != NULL ? (size_t)(at - text) : strlen(text));
	if (at != NULL) {
		buf_put_str(&edited, replace);
		buf_put_str(&edited, at + strlen(find));
	}
	*out = BUF_INIT(1u << 22);
	for (p = buf_text(&edited); *p != '\0'; p++) {
		size_t len;

		if (*p != '%') {
			buf_put_u8(out, (uint8_t)*p);
			continue;
		}
		len = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz-/");
		assert_true(len > 0 && len < sizeof name);
		memcpy(name, p + 1, len);
		name[len] = '\0';
		buf_put_str(out, secret_keys_line(fixture_key(name)));
		p += len;
	}
	buf_free(&edited);
	assert_true(buf_ok(out));
}

struct agreement *
fixture_agreement(const char *text, const char *find, const char *replace)
{
	struct agreement *a = NULL;
	struct kw_why why = {{0}};
	struct buf whole;
	enum kw_err err;

	fixture_expand(&whole, text, find, replace);
	err = agreement_parse(&a, buf_span(&whole), NULL, &why);
	buf_free(&whole);
	if (err != KW_OK)
		fail_msg("%s", why.text);
	return a;
}
