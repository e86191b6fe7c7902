"""One command per question: `nox -l` lists them, `nox -s lint` asks one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests", "wheel"]

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]

#: The tests of what stands on top of everything, and of the package as such.
ROOF = (
    "tests/test_package.py",
    "tests/test_docs.py",
    "tests/cli",
    "tests/doctor",
    "tests/simulator",
)


def install(session: nox.Session, *what: str) -> None:
    """Install with pip; a wheel that is a little older rather than a compiler's work."""
    session.install("-q", "--prefer-binary", *what)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, spelling, and the floors."""
    install(session, "ruff", "codespell", "import-linter")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": "."})


@nox.session
def types(session: nox.Session) -> None:
    """What the two type checkers of users' editors say."""
    install(session, "-e", ".[dev]")
    session.run("mypy")
    session.run("pyright")


def suite(session: nox.Session, *arguments: str) -> None:
    """Run the suite; in CI, what failed is asked once more, by itself.

    Several suites share one machine there. A test that fails only in that crowd is told by the
    first run's report, and a fault fails twice.
    """
    cache = f"cache_dir={(session.cache_dir / session.name).absolute()}"
    try:
        session.run("pytest", "-o", cache, *arguments)
    except CommandFailed:
        if not os.environ.get("CI"):
            raise
        session.run("pytest", "-o", cache, "--last-failed", "--last-failed-no-failures=none")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the whole suite; further arguments go to pytest."""
    install(session, "-e", ".[test]")
    suite(session, *session.posargs)


@nox.session(python="3.10")
def lowest(session: nox.Session) -> None:
    """Run the suite with the oldest dependencies that setup.cfg allows, on the oldest Python."""
    core = Path("setup.cfg").read_text("utf-8").partition("install_requires =")[2]
    bounds = re.findall(r"^    ([\w-]+)>=([\w.]+)", core.partition("\n\n")[0], re.MULTILINE)
    install(session, "-e", ".[test]", *(f"{name}=={version}" for name, version in bounds))
    suite(session, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Run every block of the documentation, and follow its links."""
    install(session, "-e", ".[test]")
    session.run("pytest", "tests/test_docs.py", "tests/test_from_rust.py", "-k", "not example")


@nox.session
def examples(session: nox.Session) -> None:
    """Run every example."""
    install(session, "-e", ".[test]")
    session.run("pytest", "tests/test_docs.py", "-k", "example")


@nox.session(reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """Build the wheel; it must work with the core alone, and with the extras where it could fail.

    That is where files, entry points and what users type are; the rest is the same code again.
    """
    dist = session.create_tmp()
    install(session, "build")
    session.run("python", "-m", "build", "--outdir", dist, silent=True)  # the wheel of the sdist
    built = str(next(Path(dist).glob("*.whl")))
    alone = str(Path(dist, "alone"))
    session.run("python", "-m", "venv", alone)
    python = str(Path(alone, "bin", "python").absolute())
    session.run(python, "-m", "pip", "install", "-q", "--no-cache-dir", built, external=True)
    check = str(Path("tests/wheel_check.py").absolute())
    with session.chdir(dist):
        session.run(python, "-I", check, external=True)
    install(session, "--force-reinstall", "--no-deps", built)
    install(session, f"{built}[test]")
    suite(session, *(session.posargs or ROOF))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure; the figures of one machine are kept in bench/README.md."""
    install(session, "-e", ".[all]")
    for script in sorted(Path("bench").glob("*.py")):
        session.run("python", str(script), *session.posargs)


@nox.session
def openai(session: nox.Session) -> None:
    """Let openai's own client talk with the simulator."""
    install(session, "-e", ".[test]", "openai[realtime]>=2")
    session.run("pytest", "tests/interop", *session.posargs)


@nox.session
def hearing(session: nox.Session) -> None:
    """Let the simulator understand speech, by the packages that do."""
    install(session, "-e", ".[test,hearing]")
    suite(session, "tests/simulator/test_hearing.py", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Talk for half an hour, or for the seconds given, at 50 frames a second each way."""
    install(session, "-e", ".[test]")
    env = {"GROK_RT_SOAK": session.posargs[0] if session.posargs else "1800"}
    pairs = "tests/faults/test_every_fault.py"  # they wait: four at a time
    session.run("pytest", "-m", "soak", "-n", "4", pairs, env=env)
    session.run("pytest", "-m", "soak", "-s", "tests/faults", f"--ignore={pairs}", env=env)
    many = {"GROK_RT_EVENTS": "100000"}  # ten seconds
    session.run("pytest", "tests/faults/test_schedules.py", env=many)


@nox.session(python="3.11")
def fuzz(session: nox.Session) -> None:
    """Throw a minute of garbage at the codec and at the frames; arguments go to libFuzzer."""
    install(session, "-e", ".[test]", "atheris")
    env = {"PYTHONPATH": "tests/support", "GROK_RT_MUTATIONS": "100000"}
    session.run("pytest", "tests/test_fuzz_finds.py", env=env)
    finds = f"-artifact_prefix={session.create_tmp()}/"
    for script in sorted(Path("fuzz").glob("fuzz_*.py")):
        session.run("python", str(script), "-max_total_time=60", finds, *session.posargs, env=env)
