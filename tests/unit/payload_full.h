/* payload_full: for every schema a JSON text in which every field is set; as compact as payload_to_json writes it. */
#ifndef KW_TESTS_PAYLOAD_FULL_H
#define KW_TESTS_PAYLOAD_FULL_H

#include "proto/header.h"

#define HANDLING "\"handling\":{\"mark\":\"Sensitive\",\"purpose\":\"danger-prevention\",\"legalBasis\":\"PolG\",\"onward\":\"WithConsent\",\"deleteBy\":\"2026-12-31T00:00:00+01:00\"}"
#define GRADING "\"grading\":{\"source\":\"Reliable\",\"content\":\"Confirmed\",\"completeness\":\"Partial\",\"asOf\":\"2026-12-01T10:00:00+01:00\"}"
#define PLACE "\"place\":{\"description\":\"Neckarwiese\",\"position\":{\"latitude\":49.4118,\"longitude\":-8.69051234567,\"accuracyM\":30},\"areaCode\":\"082210000000\"}"

static const struct full {
	enum payload_type type;
	const char *json;
} full[] = {
	{PAYLOAD_ALERT,
	 "{\"identifier\":\"kw-2\",\"sender\":\"lage@musterstadt.example\",\"sent\":\"2026-12-01T10:00:00+01:00\",\"status\":\"Actual\","
	 "\"msgType\":\"Update\",\"source\":\"Pegel\",\"scope\":\"Restricted\",\"restriction\":\"Partner\",\"addresses\":\"a@b \\\"c d\\\"\","
	 "\"code\":[\"K1\",\"K2\"],\"note\":\"Notiz\",\"references\":\"lage@musterstadt.example,kw-1,2026-12-01T09:00:00+01:00\",\"incidents\":\"neckar\","
	 "\"info\":[{\"language\":\"de-DE\",\"category\":[\"Met\",\"Safety\"],\"event\":\"Hochwasser\",\"responseType\":[\"Avoid\",\"None\"],"
	 "\"urgency\":\"Immediate\",\"severity\":\"Severe\",\"certainty\":\"Observed\",\"audience\":\"Anwohner\","
	 "\"eventCode\":[{\"valueName\":\"profile:DE-BBK-EVENTCODE\",\"value\":\"BBK-EVC-001\"}],"
	 "\"effective\":\"2026-12-01T10:00:00+01:00\",\"onset\":\"2026-12-01T11:00:00+01:00\",\"expires\":\"2026-12-01T16:00:00+01:00\","
	 "\"senderName\":\"Lagezentrum\",\"headline\":\"Hochwasser am Neckar\",\"description\":\"Pegel 4,85 m\",\"instruction\":\"Keller meiden.\","
	 "\"web\":\"https://musterstadt.example/\",\"contact\":\"0999\",\"parameter\":[{\"valueName\":\"pegel\",\"value\":\"4.85\"}],"
	 "\"resource\":[{\"resourceDesc\":\"Karte\",\"mimeType\":\"image/png\",\"size\":\"3\",\"uri\":\"karte.png\",\"derefUri\":\"AAEC\",\"digest\":\"0c7a623fd2bbc05b06423be359e4021d36e721ad\"}],"
	 "\"area\":[{\"areaDesc\":\"Mitte\",\"polygon\":[\"49.1,8.1 49.2,8.1 49.2,8.2 49.1,8.1\"],\"circle\":[\"49.1,8.1 2.5\"],"
	 "\"geocode\":[{\"valueName\":\"bezirk\",\"value\":\"mitte\"}],\"altitude\":\"300\",\"ceiling\":\"400.5\"}]}]}"},
	{PAYLOAD_REQUEST, "{\"kind\":\"Presence\",\"subject\":\"Ruhestörung\",\"description\":\"laut\",\"language\":\"de\"," PLACE
	                  ",\"observedAt\":\"2026-12-01T10:00:00+01:00\",\"neededBy\":\"2026-12-01T11:00:00+01:00\",\"contact\":\"0999\",\"caseReference\":\"A-1\"," GRADING "," HANDLING "}"},
	{PAYLOAD_REPORT, "{\"category\":\"Security\",\"severity\":\"Minor\",\"subject\":\"Einbruch\",\"description\":\"Tür\",\"language\":\"de\"," PLACE
	                 ",\"observedAt\":\"2026-12-01T10:00:00+01:00\",\"measures\":\"Anzeige\",\"contact\":\"0999\",\"caseReference\":\"A-2\"," GRADING "," HANDLING "}"},
	{PAYLOAD_STATEMENT, "{\"issuer\":\"Stadt\",\"occasion\":\"Hochwasser\",\"text\":[{\"language\":\"de\",\"headline\":\"H\",\"body\":\"B\"},{\"language\":\"en\",\"headline\":\"h\",\"body\":\"b\"}],"
	                    "\"notBefore\":\"2026-12-01T10:00:00+01:00\",\"contact\":\"0999\",\"web\":\"https://musterstadt.example/\"}"},
	{PAYLOAD_FEEDBACK, "{\"confirmed\":\"Yes\",\"acted\":\"Yes\",\"stillActing\":\"No\"}"},
	{PAYLOAD_DOCUMENT, "{\"title\":\"Plan\",\"fileName\":\"plan.pdf\",\"mediaType\":\"application/pdf\",\"language\":\"de\",\"description\":\"Lageplan\",\"caseReference\":\"A-3\"," GRADING "," HANDLING
	                   ",\"content\":\"JVBERi0=\"}"},
	{PAYLOAD_NOTE, "{\"text\":\"Übergabe\\nan die Nachtschicht\",\"language\":\"de\"}"},
	{PAYLOAD_RECEIPT, "{\"items\":[{\"id\":\"AAECAwQFBgcICQoLDA0ODw==\",\"frameHash\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\",\"atMs\":\"18446744073709551615\"}],\"reason\":\"weil\",\"as\":\"Wache\",\"textHash\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}"},
	{PAYLOAD_VOID, "{\"numbers\":[{\"node\":\"police/control-room\",\"number\":\"7\"}],\"reason\":\"verlesen\"}"},
};

#endif
