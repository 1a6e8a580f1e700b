/* language: gettext's catalogue, chosen again for each asker. */
#include "base/language.h"

#include <libintl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int _nl_msg_cat_cntr; /* gettext's own: raised, it looks at LANGUAGE again (GNU gettext's manual, "Being a gettext grok") */

static void
bind_catalogues(void)
{
	char program[PATH_MAX], folder[PATH_MAX + sizeof "/../share/locale"];
	ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
	char *slash;

	(void)bind_textdomain_codeset("kurzweg", "UTF-8");
	if (len <= 0)
		return;
	program[len] = '\0';
	if ((slash = strrchr(program, '/')) == NULL)
		return;
	*slash = '\0';
	(void)snprintf(folder, sizeof folder, "%s/../share/locale", program);
	(void)bindtextdomain("kurzweg", folder);
}

void
language_ask(void)
{
	const char *all = getenv("LC_ALL"), *messages = getenv("LC_MESSAGES"), *lang = getenv("LANG");
	const char *wanted = all != NULL && all[0] != '\0' ? all : messages != NULL && messages[0] != '\0' ? messages : lang;

	if (setlocale(LC_MESSAGES, "") == NULL) { /* a machine without that locale has the messages all the same */
		(void)setlocale(LC_MESSAGES, "C.UTF-8");
		if (wanted != NULL && strncmp(wanted, "de", 2) == 0)
			(void)setenv("LANGUAGE", "de", 0);
	}
	bind_catalogues();
}

void
language_end(void)
{
	(void)setlocale(LC_MESSAGES, "C");
	_nl_msg_cat_cntr++;
}

void
language_start(void)
{
	/* Some locale that is not "C", or LANGUAGE is not looked at; this one is always there and changes nothing else. */
	(void)setlocale(LC_MESSAGES, "C.UTF-8");
	bind_catalogues();
	language_use(NULL);
}

bool
language_is_german(const char *language)
{
	return language != NULL && strncmp(language, "de", 2) == 0 && (language[2] == '\0' || language[2] == '-' || language[2] == '_');
}

void
language_use(const char *language)
{
	const char *wanted = language_is_german(language) ? "de" : "en", *is = getenv("LANGUAGE");

	if (is != NULL && strcmp(is, wanted) == 0)
		return;
	(void)setenv("LANGUAGE", wanted, 1);
	_nl_msg_cat_cntr++;
}
