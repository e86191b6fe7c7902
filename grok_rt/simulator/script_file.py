"""A script in a file: what `Script.from_data` reads, and faults, in TOML. See docs/simulator.md."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import Any, NamedTuple

from grok_rt.errors import ConfigError, MissingExtra
from grok_rt.simulator.faults import Fault, faults_of
from grok_rt.simulator.script import Script

__all__ = ["ScriptFile", "read_script"]


class ScriptFile(NamedTuple):
    """What a file says."""

    script: Script
    faults: list[Fault]


def read_script(path: Path) -> ScriptFile:
    """Read a script file.

    Raises:
        ConfigError: it cannot be read, is no TOML, or says what no script says; with its place.
        MissingExtra: on Python 3.10, when `tomli` is not installed.
    """
    try:
        told = _toml(path.read_text("utf-8"))
        faults = told.pop("fault", [])
        if not isinstance(faults, list):
            raise ConfigError("fault must be written [[fault]], for there may be several")
        return ScriptFile(Script.from_data(told), faults_of(faults))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # of TOML, of what is no UTF-8, and our own
        raise ConfigError(f"{path}: {error}") from None


def _toml(text: str) -> dict[str, Any]:
    for name in ("tomllib", "tomli"):  # the second for Python 3.10
        with contextlib.suppress(ImportError):
            told: dict[str, Any] = importlib.import_module(name).loads(text)
            return told
    raise MissingExtra("tomli", "simulator", "A script file on Python 3.10")
