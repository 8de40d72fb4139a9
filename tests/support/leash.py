"""Ends the processes of the tests when the tests themselves are killed, so hard that nothing of them could.

Ending processes in good order belongs to who started them.
"""

import subprocess
import sys

WATCH = """
import os, signal, sys
groups = []
for line in sys.stdin:
    groups = [*groups, int(line)] if line.strip() else []
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""
"""Reads process groups, a line each, until whoever writes them has gone; an empty line forgets them."""


class Leash:
    """A small process that kills every process group it was told of once this one has gone, however it went: the system
    closes what only this process writes to. It watches from a session of its own, where no signal to the tests reaches
    it.
    """

    def __init__(self) -> None:
        words = (sys.executable, "-I", "-S", "-c", WATCH)
        self._watch = subprocess.Popen(words, stdin=subprocess.PIPE, text=True, start_new_session=True)

    def hold(self, group: int) -> None:
        """Let this process group, executors and whatever else it starts included, not outlive this process."""
        self._tell(f"{group}\n")

    def let_go(self) -> None:
        """Forget the groups, which have been ended in good order."""
        self._tell("\n")
        self._watch.communicate()

    def _tell(self, line: str) -> None:
        assert self._watch.stdin
        self._watch.stdin.write(line)
        self._watch.stdin.flush()
