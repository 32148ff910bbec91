"""A program of its own: goes into a container's file system, becomes its user, and tries to write to folders.

Whatever it needs is loaded before it goes in, for there is no Python there.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys

NEW_NS = 0x00020000
NO_NEW_PRIVILEGES = 38


def enter(pid: int, uid: int, gids: list[int]) -> None:
    """Go into the mount namespace of a process, with a user's rights and no more."""
    libc = ctypes.CDLL(None, use_errno=True)
    there = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    if libc.setns(there, NEW_NS) != 0:
        raise OSError(ctypes.get_errno(), "can't go into the mount namespace")
    os.close(there)
    os.setgroups(gids)
    os.setresgid(gids[0], gids[0], gids[0])
    # Who leaves root this way has no capability after it.
    os.setresuid(uid, uid, uid)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def written(folder: str) -> str:
    """Write a file there and remove it; return the name of the error, empty where there was none."""
    path = os.path.join(folder, "written-by-a-test")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
        os.unlink(path)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def main() -> None:
    """Answer on standard output."""
    asked = json.loads(sys.argv[1])
    enter(asked["pid"], asked["uid"], [int(gid) for gid in asked["gids"]])
    sys.stdout.write(json.dumps({folder: written(folder) for folder in asked["folders"]}))


if __name__ == "__main__":
    main()
