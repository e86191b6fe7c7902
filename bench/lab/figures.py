"""How figures are taken, judged and shown: interleaved rounds, minima, ratios, the machine."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import platform
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

LAB = Path(__file__).parent
PATIENCE = 300  # seconds after which a script that hangs says where, and ends


def options(doc: str | None, rounds: int) -> argparse.Namespace:
    """Read the command line that all scripts share."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="of all contenders, in turn")
    parser.add_argument("--quick", action="store_true", help="see that it runs; no figures to keep")
    found = parser.parse_args()
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    if found.quick:
        found.rounds = 1
    return found


@contextlib.contextmanager
def serving(script: str, *arguments: object) -> Iterator[int]:
    """Run one of our servers in a process of its own; yields its port."""
    command = [sys.executable, str(LAB / script), *map(str, arguments)]
    # Its own stdin, which it may wait at: ours may have ended.
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep every processor from sleeping, by work that gives way to all other at once.

    A virtual machine's processor that sleeps is lent to others, and comes back with cold caches:
    then all that comes first costs five times as much, in whoever's code it is.
    """
    prelude = (
        "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0));"
        "os.sched_setaffinity(0, {%d})\nwhile True: pass"
    )
    with contextlib.ExitStack() as stack:
        for processor in sorted(os.sched_getaffinity(0)):
            command = [sys.executable, "-c", prelude % processor]
            stack.callback(stack.enter_context(subprocess.Popen(command)).kill)
        yield


@contextlib.contextmanager
def certified() -> Iterator[tuple[str, ssl.SSLContext]]:
    """Make an authority: yields a server's certificate for 127.0.0.1, and who trusts it."""
    import trustme

    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.write_bytes(authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes())
        yield str(path), context


def cpu_of(call: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads, for one call."""
    before = time.process_time()
    call()
    return time.process_time() - before


def best(cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The least that each case returned in `rounds` rounds, all cases taking turns."""
    least = dict.fromkeys(cases, float("inf"))
    for _ in range(rounds):
        for name, case in cases.items():
            least[name] = min(least[name], case())
    return least


def percentile(values: Iterable[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def show(
    title: str,
    columns: Sequence[str],
    rows: Mapping[str, Sequence[float]],
    *,
    per: str | None = None,
) -> None:
    """Print a table of figures; with `per`, each one's ratio to that row's behind it."""
    print(f"\n{title}")
    width = max(map(len, rows)) + 2
    print(" " * width + "".join(f"{column:>{18 if per else 10}}" for column in columns))
    for name, figures in rows.items():
        cells = [f"{figure:10.1f}" for figure in figures]
        if per is not None:
            ratios = (figure / base for figure, base in zip(figures, rows[per], strict=True))
            cells = [f"{cell} x{ratio:<6.2f}" for cell, ratio in zip(cells, ratios, strict=True)]
        print(f"{name:<{width}}" + "".join(cells))


def judge(what: str, value: float, limit: float) -> None:
    """Print whether a figure is within its target."""
    print(f"{'PASS' if value <= limit else 'FAIL'}  {what}: {value:.3g} (target: <= {limit:.3g})")


def missing(package: str) -> None:
    print(f"left out: {package} is not installed")


def machine(*packages: str) -> None:
    """Print what the figures were taken on."""
    names = ("grok_rt", "msgspec", "pybase64", *packages)
    found = []
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg())
    print(
        f"\n{os.cpu_count()} cores of {_processor()}; {platform.system()} {platform.release()};"
        f" Python {platform.python_version()}; load {load}\n{', '.join(found)}"
    )


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("ascii").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
