"""A slice of oom.py, in programs as they are installed; and that what it looks for it would find."""

import signal
import unittest

import kurzweg_test
import oom

PARTS = 4  # of each program's allocations the first of every part
BEFORE_THE_END = (0, 2, 4, 8, 16, 32)  # and so many before the last: there it answers


def places(count):
    """Which are refused: the same at each run, as long as the program asks for memory as often."""
    return sorted({1 + i * (count - 1) // PARTS for i in range(PARTS)} | {max(1, count - n) for n in BEFORE_THE_END})


class Slice(kurzweg_test.TestCase):
    def test_without_memory_every_program_says_so_and_leaves_nothing_half_written(self):
        sweep = oom.Sweep(self)
        for group in (sweep.tools, sweep.checks, sweep.starts):
            for program in group():
                sweep.sweep(program, places)
        print(dict(sweep.outcomes), flush=True)
        sweep.finish()


class Judge(unittest.TestCase):
    def test_an_abort_of_our_own_is_none_of_libzmq(self):
        ours = "crashed\n/x/oom.so(+0x1)[0x1]\n/lib/x86_64-linux-gnu/libc.so.6(abort+0xd3)[0x2]\n/x/bin/kurzweg(+0x3)[0x3]\n/lib/x86_64-linux-gnu/libzmq.so.5(+0x4)[0x4]\n"
        theirs = "crashed\n/x/oom.so(+0x1)[0x1]\n/lib/x86_64-linux-gnu/libc.so.6(abort+0xd3)[0x2]\n/lib/x86_64-linux-gnu/libzmq.so.5(+0x4)[0x4]\n/x/bin/kurzweg(+0x3)[0x3]\n"
        self.assertFalse(oom.Run(-signal.SIGABRT, "", "", ours).ended_by_libzmq())
        self.assertTrue(oom.Run(-signal.SIGABRT, "", "", theirs).ended_by_libzmq())
        self.assertFalse(oom.Run(-signal.SIGSEGV, "", "", theirs).ended_by_libzmq())

    def test_of_crashes_only_the_one_of_glibc_below_libzmq_is_known(self):
        names = "/lib/x86_64-linux-gnu/libc.so.6(getprotobyname_r+0x53)[0x2]\n/lib/x86_64-linux-gnu/libpgm-5.3.so.0(+0x10516)[0x3]\n"
        below = "crashed\n/x/oom.so(+0x1)[0x1]\n" + names + "/lib/x86_64-linux-gnu/libzmq.so.5(zmq_ctx_new+0xb)[0x4]\n/x/bin/kurzweg-broker(+0x3)[0x5]\n"
        self.assertTrue(oom.Run(-signal.SIGSEGV, "", "", below).ended_by_libzmq())
        self.assertFalse(oom.Run(-signal.SIGSEGV, "", "", below.replace("libpgm", "libsodium")).ended_by_libzmq())
        self.assertFalse(oom.Run(-signal.SIGSEGV, "", "", below.replace("/x/oom.so(+0x1)", "/x/bin/kurzweg-broker(+0x1)")).ended_by_libzmq())

    def test_each_way_to_end_badly_is_found(self):
        program = oom.Program("x", ["kurzweg"], None)
        sweep = oom.Sweep.__new__(oom.Sweep)
        sweep.before, sweep.after_good = {"x": {}}, {}
        good = oom.Run(0, "all of it", "", "")
        self.assertIsNone(sweep.wrong(program, good, good))
        self.assertIsNone(sweep.wrong(program, good, oom.Run(1, "", "kurzweg: out of memory\n", "")))
        for code, out, said, words in ((-signal.SIGSEGV, "", "", "signal 11"), ("hangs", "", "", "not ended"), (7, "", "x", "none of its codes"),
                                       (1, "", "", "said nothing"), (0, "half", "", "something else"), (1, "", "kurzweg: ?\n", "in place of"),
                                       (1, "", "kurzweg: (null)\n", "(null)"), (2, "", "kurzweg: no such option\n", "blames")):
            self.assertIn(words, sweep.wrong(program, good, oom.Run(code, out, said, "")))


if __name__ == "__main__":
    kurzweg_test.main()
