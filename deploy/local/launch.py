"""Becomes another program that dies with its parent, without the rights of root if so told.

Run as `python -I -S launch.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT...]`; UID and GID are -1 to
keep the user. It is a program of its own, rather than a function run between fork and exec, because
such a function may hang in a process that has threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Replaces this process by the program named in the arguments."""
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user, because the kernel forgets the signal there.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("the runner ended while this program was starting")
    os.execv(arguments[4], arguments[4:])


if __name__ == "__main__":
    main(sys.argv[1:])
