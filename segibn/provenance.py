"""Where a number comes from: command, git revision, versions, machine."""

import os
import platform
import shlex
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import segibn

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow", "imagecodecs")


def command_line() -> str:
    """Return the command that started this process, as one would type it: ``segibn train ...``."""
    program = Path(sys.argv[0])
    package = Path(segibn.__file__).parent
    if program.stem == "segibn" or program == package / "__main__.py":
        return shlex.join(["segibn", *sys.argv[1:]])
    if program.is_absolute() and program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    return shlex.join(["python", str(program), *sys.argv[1:]])


def git_revision() -> str | None:
    """Return the checkout's commit, with ``+changes`` for a dirty tree; None outside git."""
    folder = Path(segibn.__file__).parent
    run = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--exclude=*"]
    run.append("--dirty=+changes")
    try:
        done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of segibn, Python and the packages that can move a number."""
    found = {"segibn": segibn.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def machine() -> dict[str, str | int | None]:
    """Return what kind of machine this is (no host name, no user name)."""
    return {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()}


def origin() -> dict[str, Any]:
    """All of the above and the day, as records keep it."""
    day = datetime.now(UTC).date().isoformat()
    about = {"command": command_line(), "date": day, "git_revision": git_revision()}
    return about | {"versions": versions(), "machine": machine()}


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
