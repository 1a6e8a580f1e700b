"""Completions in a real bash and a real zsh: every command, option and word that --help knows, and what node and agreement have to offer."""

import os
import pathlib
import pty
import re
import select
import subprocess
import time

import kurzweg_test
from kurzweg_test import BIN, SOURCE, Partnership, environment, free_ports, wait_until
from test_manual import DAEMONS, commands, help_of, options_of

BASH, ZSH = SOURCE / "deploy" / "completions" / "kurzweg.bash", SOURCE / "deploy" / "completions" / "_kurzweg"
ASK = """
source "$1"
while IFS= read -r line; do
	read -r -a COMP_WORDS <<<"$line"
	[[ $line == *' ' ]] && COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line}
	_kurzweg
	printf '%s\\n' "${COMPREPLY[*]}"
done
"""


class Completions(kurzweg_test.TestCase):
    def bash(self, *lines, **env):
        """What each line is completed to, as a set; a blank at its end begins the next word."""
        done = subprocess.run(["bash", "--norc", "-c", ASK, "bash", BASH], input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, cwd=self.folder,
                              timeout=300, env=environment(PATH=f"{BIN}:{os.environ['PATH']}", **env))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [set(line.split()) for line in done.stdout.splitlines()]

    def agreement(self):
        p = Partnership(self)
        return p, f"--agreement {p.write()}"

    def test_bash_knows_every_command(self):
        firsts = {command.split()[0] for command in commands()}
        families = sorted({command.split()[0] for command in commands() if " " in command})
        whole, part, *inside = self.bash("kurzweg ", "kurzweg ag", *(f"kurzweg {family} " for family in families))
        self.assertEqual(whole, firsts)
        self.assertEqual(part, {"agreement"})
        for family, found in zip(families, inside, strict=True):
            self.assertEqual(found, {command.split()[1] for command in commands() if command.startswith(f"{family} ")}, family)

    def test_bash_knows_every_option_of_every_command_and_no_other(self):
        for command, found in zip(commands(), self.bash(*(f"kurzweg {command} --" for command in commands())), strict=True):
            self.assertEqual(found, set(re.findall(r"--[a-z-]+", " ".join(options_of(help_of("kurzweg", *command.split()))))), command)
        for program, found in zip(DAEMONS, self.bash(*(f"{program} --" for program in DAEMONS)), strict=True):
            self.assertEqual(found, set(re.findall(r"--[a-z-]+", " ".join(options_of(help_of(program))))), program)

    def test_what_is_typed_is_no_pattern_and_is_not_run(self):
        """Every sign that a shell, sed or grep would obey, where a command, an option, a word may stand."""
        for typed in (".* ", "a/b ", "[ ", "$(touch ran) ", "`touch ran` ", "\\\\ ", "--x/y/z ", "* "):
            for line in (f"kurzweg {typed}", f"kurzweg case {typed}", f"kurzweg take {typed}", f"kurzweg take --as {typed}", f"kurzweg log --level {typed}--", f"kurzweg take {typed}--no-w"):
                self.bash(line)
        self.assertFalse((self.folder / "ran").exists())
        self.assertEqual(self.bash("kurzweg .* l", "kurzweg take a/b --no-w"), [set(), {"--no-wait"}])

    def test_in_german_it_is_the_same(self):
        self.assertEqual(self.bash("kurzweg take --", LANGUAGE="de"), self.bash("kurzweg take --"))

    def test_words_are_those_that_the_options_take(self):
        """Each that is offered stands in what --help says of the option."""
        asked = [(command, option) for command in commands() for option in re.findall(r"(--[a-z-]+) (?:WORD|LANE|STAGE|TYPE|LEVEL|BY|USE|KIND)\b", " ".join(sorted(options_of(help_of("kurzweg", *command.split())))))]
        offered = 0
        for (command, option), found in zip(asked, self.bash(*(f"kurzweg {command} {option} " for command, option in asked)), strict=True):
            said = " ".join(re.search(rf"^  (?:-., |    ){option} .*\n(?: {{9,}}.*\n)*", help_of("kurzweg", *command.split()), re.M).group().lower().split())
            for word in found:
                offered += 1
                self.assertIn(word, said, f"{command} {option}")
        self.assertGreater(offered, 50)

    def test_files_and_folders(self):
        self.write("draft.yaml", "")
        (self.folder / "drawer").mkdir()
        files, folders, behind, equal = self.bash("kurzweg agreement check dr", "kurzweg restore --to dr", "kurzweg agreement sign --key dr", "kurzweg log --level = war")
        self.assertEqual((files, folders, behind, equal), ({"draft.yaml", "drawer"}, {"drawer"}, {"draft.yaml", "drawer"}, {"warning"}))

    def test_nodes_and_topics_are_the_agreements(self):
        p, agreement = self.agreement()
        nodes, some, topics, none = self.bash(f"kurzweg agreement who-reads {agreement} x --from ", f"kurzweg explain {agreement} --node pol", f"kurzweg agreement who-reads {agreement} ",
                                              "kurzweg agreement who-reads --agreement /nowhere x --from ")
        self.assertEqual((nodes, some, none), (set(p.nodes), {"police/control-room"}, set()))
        self.assertEqual(topics, {"alert/", "request/noise/", "report/"})

    def test_cases_are_the_nodes_and_nobody_waits_for_one_that_is_not_there(self):
        p = Partnership(self, endpoint=f"tcp://127.0.0.1:{free_ports()[0]}")
        p.agreement()
        p.broker()
        p.node("police/control-room")
        socket = ("--socket", p.socket("police/control-room"))
        self.assertEqual(self.bash("kurzweg take ", KURZWEG_SOCKET=p.socket("city/public-order")), [set()])
        identity = self.kurzweg("publish", "request/noise/mitte", "--kind", "presence", "--subject", "Loud music", "--purpose", "danger-prevention", "--lifetime", "6h", "--wait", "stored",
                                *socket).stdout.strip()
        wait_until(lambda: identity in self.kurzweg("case", "list", "--json", *socket).stdout, what="the case")
        self.assertEqual(wait_until(lambda: found if (found := self.bash("kurzweg take ", KURZWEG_SOCKET=socket[1])) != [set()] else None, what="an answer within a second"),
                         [{identity[-8:]}])
        self.assertEqual(self.kurzweg("take", identity[-8:], *socket).returncode, 0)

    # ---- as people type ----

    def typed(self, shell, prepare, *keys):
        """Types into a shell on a terminal; keys: (what is typed, what must be shown then)."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execvpe(shell[0], shell, environment(PATH=f"{BIN}:{os.environ['PATH']}", TERM="dumb", PS1="> ", HISTFILE="", HOME=self.folder, INPUTRC="/dev/null"))
        shown = ""
        try:
            for typing, wanted in ((f"{prepare}; echo re''ady\n", "ready"), *keys):
                at, end = len(shown), time.monotonic() + kurzweg_test.DEADLINE
                os.write(fd, typing.encode())
                while wanted not in shown[at:]:
                    self.assertLess(time.monotonic(), end, f"{wanted} was not shown behind {typing!r}:\n{shown}")
                    if select.select([fd], [], [], 0.1)[0]:
                        shown += os.read(fd, 65536).decode(errors="replace")
        finally:
            os.close(fd)
            os.waitpid(pid, 0)
        return shown

    KEYS = (("kurzweg agreement who-i\t", "who-is-responsible"), ("\x15kurzweg take --no-w\t", "--no-wait"), ("\x15kurzweg publish a --wait del\t", "delivered"),
            ("\x15kurzweg-broker --check\t", "--check-config"))

    def test_in_a_bash_that_somebody_types_into(self):
        self.typed(["bash", "--norc", "-i"], f"source {BASH}", *self.KEYS)

    def test_in_a_zsh_that_somebody_types_into(self):
        p, agreement = self.agreement()
        self.typed(["zsh", "-f", "-i"], f"fpath=({ZSH.parent} $fpath); autoload -Uz compinit; compinit -D -u", *self.KEYS,
                   (f"\x15kurzweg agreement who-reads {agreement} x --from pol\t", "police/control-room"), ("\x15kurzweg log --level=war\t", "--level=warning"),
                   ("\x15kurzweg take --\t", "do not wait until the log has decided"), ("\x15kurzweg case \t", "list the open cases"))


if __name__ == "__main__":
    kurzweg_test.main()
