"""Linux namespaces and mounts, through the system calls that the standard library does not have.

Refuses nothing by itself: what the kernel refuses comes back as OSError. See namespaces(7) and mount_setattr(2).
"""

import contextlib
import ctypes
import errno
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# The flags of a mount that matter here have one value in mount(2) and in mount_setattr(2).
READ_ONLY, NO_SETUID, NO_DEVICES, NO_PROGRAMS = 1, 2, 4, 8
_BIND, _MOVE, _RECURSIVE, _PRIVATE, _REMOUNT = 1 << 12, 1 << 13, 1 << 14, 1 << 18, 1 << 5
_BY_NAME = {
    "ro": READ_ONLY, "nosuid": NO_SETUID, "nodev": NO_DEVICES, "noexec": NO_PROGRAMS,
    "noatime": 1 << 10, "nodiratime": 1 << 11, "relatime": 1 << 21,
}  # fmt: skip
# mount, UTS, IPC, user, PID and network namespaces: CLONE_NEW* of sched.h.
_ALL = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_PDEATHSIG, _CAPBSET_DROP, _CHILD_SUBREAPER, _NO_NEW_PRIVS, _CAP_AMBIENT = 1, 24, 36, 38, 47
_CAP_AMBIENT_CLEAR_ALL, _CAPABILITY_VERSION_3 = 4, 0x20080522
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}


def enter() -> None:
    """Leave the user, mount, network, IPC, UTS and PID namespaces; user and group keep their numbers.

    The next child is the first process of the new PID namespace. Only a process of one thread may do this.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", ctypes.c_int(_ALL))
    # In this order: without the first, the kernel does not let an ordinary user map a group.
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", name).write_text(text, encoding="ascii")


def furnish(stage: Path, writable: Sequence[Path], hidden: Sequence[Path]) -> None:
    """Make everything read-only but for the `writable` folders, put an empty one over each of the `hidden`.

    `/dev` becomes a private one without disks, put together in the folder `stage`, and `/proc` shows this PID namespace alone
    where the kernel allows that. To be called by the first process of the new namespaces.
    """
    _mount(None, "/", flags=_RECURSIVE | _PRIVATE)
    for folder in writable:
        _mount(folder, folder, flags=_BIND | _RECURSIVE)
    with contextlib.suppress(OSError):
        # Refused where parts of /proc are covered, as in containers: then the old one stays, read-only.
        _mount("proc", "/proc", "proc", NO_SETUID | NO_DEVICES | NO_PROGRAMS)
    change("/", add=READ_ONLY | NO_SETUID | NO_DEVICES, recursive=True)
    for folder in writable:
        change(folder, remove=READ_ONLY)
    for folder in hidden:
        _mount("tmpfs", folder, "tmpfs", NO_SETUID | NO_DEVICES, "mode=1777")
    _devices(stage, keep_shared=any(folder.is_relative_to("/dev/shm") for folder in writable))  # noqa: S108 - the kernel's name
    socket.sethostname("localhost")


def _devices(stage: Path, *, keep_shared: bool) -> None:
    _mount("tmpfs", stage, "tmpfs", NO_SETUID | NO_PROGRAMS, "mode=0755")
    for name in _DEVICES:
        device, place = Path("/dev", name), stage / name
        if device.exists():
            place.touch()
            _mount(device, place, flags=_BIND)
            change(place, remove=NO_DEVICES)
    for name, descriptor in _LINKS.items():
        (stage / name).symlink_to(f"/proc/self/fd{descriptor}")
    shared = stage / "shm"
    shared.mkdir()
    if keep_shared:
        _mount("/dev/shm", shared, flags=_BIND | _RECURSIVE)  # noqa: S108 - as above
    else:
        _mount("tmpfs", shared, "tmpfs", NO_SETUID | NO_DEVICES, "mode=1777")
    _mount(stage, "/dev", flags=_MOVE)


def change(point: str | Path, *, add: int = 0, remove: int = 0, recursive: bool = False) -> None:
    """Add flags to a mount or remove them, and `recursive`ly those of every mount below it."""
    attributes = (ctypes.c_uint64 * 4)(add, remove, 0, 0)
    try:
        _call(
            "syscall",
            ctypes.c_long(_MOUNT_SETATTR),
            ctypes.c_int(_AT_FDCWD),
            os.fsencode(point),
            ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
            attributes,
            ctypes.c_size_t(ctypes.sizeof(attributes)),
        )
    except OSError as error:
        # Kernels before 5.12 do not know the call, and old seccomp profiles answer EPERM for what they do not know.
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        change_one_by_one(point, add=add, remove=remove, recursive=recursive)


def change_one_by_one(point: str | Path, *, add: int = 0, remove: int = 0, recursive: bool = False) -> None:
    """Do what `change` does on kernels without mount_setattr(2): remount each mount, its other flags kept."""
    for place, flags in _mounts().items():
        if place == str(point) or (recursive and Path(place).is_relative_to(point)):
            wanted = (flags | add) & ~remove
            try:
                _mount(None, place, flags=_REMOUNT | _BIND | wanted)
            except OSError:
                # A mount that lies hidden below another cannot be reached; what is seen in its place must be sealed.
                with contextlib.suppress(FileNotFoundError, PermissionError, NotADirectoryError):
                    if add & READ_ONLY and not os.statvfs(place).f_flag & os.ST_RDONLY:
                        raise


def _mounts() -> dict[str, int]:
    """Return the flags of every mount by its place; of several in one place, the topmost counts. See proc(5)."""
    found: dict[str, int] = {}
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        fields = line.split(b" ")
        place = os.fsdecode(fields[4].decode("unicode_escape").encode("latin-1"))
        found[place] = sum(_BY_NAME.get(option, 0) for option in fields[5].decode().split(","))
    return found


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends. To be called after `enter`, which would undo it."""
    _prctl(_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none gets lost."""
    _prctl(_CHILD_SUBREAPER, 1)


def drop_privileges() -> None:
    """Give up every capability, those in our own namespace too, for this process and all it starts.

    With them, root could make read-only mounts writable again, and look into the first process of the namespace.
    """
    _prctl(_NO_NEW_PRIVS, 1)
    with contextlib.suppress(OSError):
        for capability in range(64):
            _prctl(_CAPBSET_DROP, capability)
    with contextlib.suppress(OSError):
        _prctl(_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    _call("capset", (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())


def _mount(source: str | Path | None, place: str | Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    _call(
        "mount",
        os.fsencode(source) if source is not None else None,
        os.fsencode(place),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
        what=str(place),
    )


def _prctl(option: int, value: int) -> None:
    _call("prctl", ctypes.c_int(option), *(ctypes.c_ulong(word) for word in (value, 0, 0, 0)), what=f"prctl {option}")


def _call(name: str, *arguments: Any, what: str = "") -> None:
    function: Callable[..., int] = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what or name)
