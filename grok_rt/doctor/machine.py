"""What this machine has: the interpreter, the packages, the extras, sound. No network."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from typing import Final

from grok_rt.doctor.findings import Note, Trouble

__all__ = ["extras", "packages", "python", "sound"]

_BUNDLES: Final = frozenset(("all", "dev", "test"))  # extras made of others
_REQUIREMENT: Final = re.compile(
    r"(?P<name>[\w.-]+)(?:\[[^]]*\])?(?P<bounds>[^;]*)(?:;.*extra == [\"'](?P<extra>\w+))?"
)
_OLDER: Final = re.compile(r";.*\bpython_version *< *[\"'](?P<version>[\d.]+)")  # than this only


def python() -> str:
    """Name the interpreter and the system."""
    name = platform.python_implementation()
    return f"{name} {platform.python_version()} on {platform.system()} {platform.machine()}"


def packages() -> str:
    """Look for the core's dependencies.

    Raises:
        Trouble: one is missing, of another version, or hidden by another package.
    """
    found, wrong = [], []
    for name, bounds in _required()[""]:
        version = _version(name)
        found.append(f"{name} {version}")
        if version is None or not is_within(version, bounds):
            wrong.append(f"{name}{bounds} (not {version or 'installed'})")
    if _version("websocket") is not None:  # a module of the same name
        wrong.append("websocket-client (the package websocket hides it)")
    if wrong:
        raise Trouble(
            f"needed: {', '.join(wrong)}", "Install grok_rt into an environment of its own."
        )
    return f"grok_rt {_version('grok_rt')}, {', '.join(found)}"


def extras() -> str | Note:
    """Look for what is optional."""
    whole, missing = [], []
    for extra, requirements in _required().items():
        if not extra or extra in _BUNDLES:
            continue
        absent = [name for name, _ in requirements if _version(name) is None]
        if absent:
            missing.append(f"{extra} lacks {', '.join(absent)}")
        else:
            whole.append(extra)
    told = "; ".join([", ".join(whole) or "none", *missing])
    return Note(told, "To have one: pip install 'grok_rt[NAME]'.") if missing else told


def sound() -> str | Note:
    """Look for what a conversation is heard by; a session needs none of it."""
    from grok_rt.devices import report

    lines = report()
    told = "; ".join(line for _, line in lines)
    if all(is_well for is_well, _ in lines):
        return told
    return Note(told, "Only a microphone and a speaker of this machine need it: grok-rt talk.")


def _required() -> dict[str, list[tuple[str, str]]]:
    """Names and bounds of what each extra needs; without any: under an empty name."""
    try:
        lines = metadata.requires("grok_rt") or []
    except metadata.PackageNotFoundError:
        raise Trouble("grok_rt is not installed", "pip install grok_rt") from None
    required: dict[str, list[tuple[str, str]]] = {"": []}
    for line in lines:
        older = _OLDER.search(line)
        if older and _numbers(platform.python_version()) >= _numbers(older["version"]):
            continue
        if match := _REQUIREMENT.match(line):
            each = match["name"], match["bounds"].strip()
            required.setdefault(match["extra"] or "", []).append(each)
    return required


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def is_within(version: str, bounds: str) -> bool:
    """Whether a version keeps bounds like ``<2,>=1.9.2``, by its numbers alone."""
    have = _numbers(version)
    return all(
        have >= _numbers(bound) if bound.startswith(">=") else have < _numbers(bound)
        for bound in filter(None, bounds.split(","))
    )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
