"""Start a program that can't outlive the thread that started it (Linux; elsewhere it just starts).

    python -I -S tether.py SIGNAL PARENT USER:GROUP PROGRAM [ARGUMENT …]

Run as a file of its own between fork and exec, because what is set here must be set inside the new
process: the death signal is lost by a change of user, so the user comes first. SIGNAL 0 means no
tether, an empty USER:GROUP means to stay who we are. Nothing outside the standard library may be
imported here: there is no site-packages, and the user we change to may be unable to read one.
"""

import ctypes
import os
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def command(
    program: Sequence[str], *, death_signal: int | None, user: tuple[int, int] | None = None
) -> list[str]:
    """The command line that runs `program` tethered to the calling thread, as (uid, gid)."""
    account = ":".join(str(number) for number in user) if user else ""
    shim = [sys.executable, "-I", "-S", __file__, str(int(death_signal or 0)), str(os.getpid())]
    return [*shim, account, *program]


def main(arguments: list[str]) -> None:
    death_signal, parent, account = int(arguments[0]), int(arguments[1]), arguments[2]
    program = arguments[3:]
    if account:
        user, group = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if death_signal and sys.platform == "linux":
        # A failure costs only the tether; the next start finds what is left all the same.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(f"{program[0]}: the process that started it is gone already")
    os.execvp(program[0], program)  # noqa: S606 - becoming the program is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
