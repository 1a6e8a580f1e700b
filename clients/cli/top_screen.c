/* top_screen: see its header. */
#include "clients/cli/top_screen.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termcap.h>
#include <unistd.h>

#define CONTROL_Z 26u

struct top_screen {
	SCREEN *screen;
	bool utf8, colours;
};

static volatile sig_atomic_t asked_to_end; /* a handler has no other place for it */

static void on_end(int number) { (void)number; asked_to_end = 1; }

/* So that whatever ends the tool leaves a terminal that can be used. */
static void
restore(void)
{
	if (stdscr != NULL && !isendwin())
		(void)endwin();
}

static void
begin_colours(struct top_screen *s, bool wanted)
{
	static const short pairs[][2] = {{TOP_GOOD, COLOR_GREEN}, {TOP_WARN, COLOR_YELLOW}, {TOP_ALARM, COLOR_RED}};

	s->colours = wanted && has_colors() && start_color() == OK;
	if (!s->colours)
		return;
	(void)use_default_colors();
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		(void)init_pair(pairs[i][0], pairs[i][1], -1);
}

enum kw_err
top_screen_open(struct top_screen **out, bool colours, struct kw_why *why)
{
	struct top_screen *s = cli_memory(sizeof *s);
	const char *term = getenv("TERM");

	memset(s, 0, sizeof *s);
	(void)setenv("ESCDELAY", "100", 0);
	if (tgetent(NULL, term != NULL ? term : "") == 1) /* newterm leaves memory behind where it does not know the terminal */
		s->screen = newterm(NULL, stdout, stdin);
	if (s->screen == NULL) {
		free(s);
		return kw_refuse(why, KW_EINVAL, "the terminal \"%.64s\" ($TERM) is not known on this machine; set $TERM, or ask with --once", term != NULL ? term : "");
	}
	(void)set_term(s->screen);
	(void)atexit(restore);
	(void)signal(SIGINT, on_end);
	(void)signal(SIGTERM, on_end);
	(void)raw();
	(void)noecho();
	(void)nonl();
	(void)curs_set(0);
	(void)nodelay(stdscr, TRUE);
	(void)keypad(stdscr, TRUE);
	s->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	begin_colours(s, colours);
	*out = s;
	return KW_OK;
}

void
top_screen_close(struct top_screen **screen)
{
	if (*screen == NULL)
		return;
	(void)endwin();
	delscreen((*screen)->screen);
	free(*screen);
	*screen = NULL;
}

void
top_screen_size(const struct top_screen *s, size_t *rows, size_t *columns)
{
	int y, x;

	(void)s;
	getmaxyx(stdscr, y, x);
	*rows = y > 0 ? (size_t)y : 1;
	*columns = x > 0 ? (size_t)x : 1;
}

static attr_t
attributes(const struct top_screen *s, const struct top_line *l)
{
	attr_t a = l->chosen ? A_REVERSE : A_NORMAL;

	switch (l->look) {
	case TOP_TITLE: return a | A_BOLD;
	case TOP_HEAD: return a | A_REVERSE;
	case TOP_DIM: return a | A_DIM;
	case TOP_GOOD:
	case TOP_WARN:
	case TOP_ALARM:
		if (s->colours)
			a |= (attr_t)COLOR_PAIR(l->look);
		return l->look == TOP_ALARM ? a | A_BOLD : a;
	case TOP_PLAIN: break;
	}
	return a;
}

/* What a locale without UTF-8 shows of it. */
static void
put_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (((unsigned char)*text & 0xC0) == 0x80)
			continue;
		(void)addch((unsigned char)*text < 0x80 ? (chtype)*text : '?');
	}
}

void
top_screen_show(struct top_screen *s, const struct top_line *lines, size_t count)
{
	size_t rows, columns;

	top_screen_size(s, &rows, &columns);
	(void)erase();
	for (size_t i = 0; i < count && i < rows; i++) {
		attr_t a = attributes(s, &lines[i]);

		(void)attrset(A_NORMAL);
		(void)move((int)i, 0);
		(void)attrset((int)a);
		if (s->utf8)
			(void)addstr(lines[i].text);
		else
			put_plain(lines[i].text);
		if ((a & A_REVERSE) != 0) /* the bar goes to the end */
			for (size_t x = cli_width(lines[i].text); x < columns; x++)
				(void)addch(' ');
	}
	(void)attrset(A_NORMAL);
	(void)refresh();
}

void
top_screen_redraw(struct top_screen *s)
{
	(void)s;
	(void)clearok(curscr, TRUE);
}

static uint32_t
translated(int key)
{
	switch (key) {
	case KEY_UP: return TOP_KEY_UP;
	case KEY_DOWN: return TOP_KEY_DOWN;
	case KEY_PPAGE: return TOP_KEY_PAGE_UP;
	case KEY_NPAGE: return TOP_KEY_PAGE_DOWN;
	case KEY_HOME: return TOP_KEY_HOME;
	case KEY_END: return TOP_KEY_END;
	case KEY_ENTER: case '\r': case '\n': return TOP_KEY_ENTER;
	case KEY_BACKSPACE: case 127: case 8: return TOP_KEY_RUBOUT;
	case 27: return TOP_KEY_ESCAPE;
	default: return key > 0 && key < 256 ? (uint32_t)key : 0;
	}
}

static void
stop(void)
{
	(void)endwin();
	(void)raise(SIGTSTP);
	(void)refresh();
}

bool
top_screen_key(uint32_t *key, struct top_screen *s, uint64_t wait_ms)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int got = getch(), ready; /* what was read ahead is no news to poll */

	(void)s;
	*key = 0;
	if (got == ERR) {
		ready = poll(&in, 1, wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX);
		if (ready > 0 && (in.revents & POLLIN) == 0)
			return false;
		if (ready < 0 && errno != EINTR)
			return false;
		got = getch();
		if (got == ERR && ready > 0 && (in.revents & POLLHUP) != 0)
			return false;
	}
	if (asked_to_end)
		return false;
	if (got == (int)CONTROL_Z)
		stop();
	else if (got != ERR)
		*key = translated(got);
	return true;
}
