"""The pytest plugin of grok_rt: two fixtures, two markers, and the conversation in the report.

pytest imports this module in every run, wherever grok_rt is installed. So it stands outside the
package and imports it in fixtures only: a run that does not use them pays nothing, and what
measures the coverage of grok_rt has begun before it is imported. What the fixtures return is
`grok_rt.testing`.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from grok_rt.testing import Evidence, GrokPeer, GrokServer

_seen: pytest.StashKey[list[Evidence]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the markers."""
    config.addinivalue_line(
        "markers",
        "grok_simulator(**options): how the Simulator of grok_server, or the Peer of grok_peer, "
        "is made",
    )
    config.addinivalue_line(
        "markers",
        "grok_faults(*faults): what goes wrong on the lines of grok_server: faults of "
        "grok_rt.simulator.faults, or their text, such as 'close:at=response.done'",
    )


@pytest.fixture
def grok_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GrokServer]:
    """Grok's service on a socket of this machine; clients that are given no URL connect to it."""
    from grok_rt.simulator import Simulator
    from grok_rt.testing import GrokServer

    options = _options(request)
    _check(options, Simulator)
    server = GrokServer(**options)
    with server:
        monkeypatch.setenv("GROK_RT_URL", server.url)
        monkeypatch.setenv("XAI_API_KEY", "test")
        if server.authority is not None:
            trusted = request.getfixturevalue("tmp_path") / "authority.pem"
            trusted.write_bytes(server.authority)
            monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        _watch(request, server)
        yield server


@pytest.fixture
def grok_peer(request: pytest.FixtureRequest) -> GrokPeer:
    """A session with Grok's service in memory, in virtual time."""
    from grok_rt.simulator import Peer
    from grok_rt.testing import GrokPeer

    options = _options(request)
    if "faults" in options:
        raise pytest.UsageError("grok_peer has no line that could fail: use grok_server")
    _check(options, Peer)
    peer = GrokPeer(**options)
    _watch(request, peer)
    return peer


def _watch(request: pytest.FixtureRequest, evidence: Evidence) -> None:
    """Show its conversation if the test fails."""
    request.node.stash.setdefault(_seen, []).append(evidence)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    options: dict[str, Any] = {}
    faults: list[Any] = []
    for marker in reversed(list(request.node.iter_markers())):  # the nearest last
        if marker.name == "grok_simulator":
            if marker.args:
                raise pytest.UsageError("grok_simulator takes keyword arguments only")
            options |= marker.kwargs
        elif marker.name == "grok_faults":
            if marker.kwargs:
                raise pytest.UsageError("grok_faults takes faults, or their text, and no keywords")
            faults += marker.args
    if faults:
        options["faults"] = [*options.get("faults", ()), *faults]
    return options


def _check(options: dict[str, Any], made: type) -> None:
    """Refuse what is no option of the class that is made with them."""
    parameters = inspect.signature(made).parameters.values()
    known = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise pytest.UsageError(
                f"@pytest.mark.grok_simulator has no option {name!r}; it takes {', '.join(known)}"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the conversation of a test that fails."""
    report = yield
    if report.failed:
        for evidence in item.stash.get(_seen, []):
            report.sections.append(("Grok conversation", evidence.timeline()))
    return report
