"""By how much one piece of work makes a process, or a CUDA device, grow.

In: a callable, or a builder of one for a child process. Out: MiB beyond what was held before the
call (libraries, weights, input), at the highest point during it.
"""

import ctypes
import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import torch

Call = Callable[[], object]
Builder = Callable[[], Call]
MIB = 1024 * 1024

# glibc's number of the option for mallopt, and the bytes from which a block is large.
_MMAP_THRESHOLD = -3
_LARGE_BLOCK = 1 << 16


def growth_in_child(build: Builder) -> float | None:
    """Build and call a subject in a forked child; return by how many MiB the call made it grow."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return None
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_report_growth, args=(build, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise SystemExit("a child process died while its memory was measured") from None
    finally:
        child.join()


def _report_growth(build: Builder, sender: Connection) -> None:
    _compute_in_one_thread()
    _return_freed_memory_at_once()
    sender.send(memory_growth(build()))
    sender.close()


def _compute_in_one_thread() -> None:
    """A forked child has none of its parent's threads: work that is shared out to them never ends."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def _return_freed_memory_at_once() -> None:
    """Have the C library ask the system for each large block anew, and give it back when freed.

    Else a peak would hold what the library keeps for later, which differs by a tenth from run to
    run. Allocation becomes slow, so this is for a process whose time nobody measures.
    """
    try:
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)
    except (AttributeError, OSError, TypeError):
        return  # another C library than glibc


def memory_growth(call: Call) -> float | None:
    """Call once; return by how many MiB the process grew at most beyond what it held before."""
    _give_back_freed_memory()
    _forget_peak()
    before = _status_kib("VmRSS")
    call()
    peak = _status_kib("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None if before is None else max(0, peak - before) / 1024


def _give_back_freed_memory() -> None:
    """Return freed but resident memory to the system: a call that reused it would seem free."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return  # another C library than glibc


def _forget_peak() -> None:
    """Let the kernel count the highest resident size from here on, where it can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _status_kib(key: str) -> int | None:
    """Read one size of this process in KiB; None outside Linux."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith(f"{key}:")]
    return sizes[0] if sizes else None


def growth_on_device(call: Call) -> float:
    """Call once; return by how many MiB the memory of the CUDA device in use grew at most."""
    import torch

    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / MIB
