"""The page at ``/``, asked for as browsers do: files, the stream, and what must not be shown."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from grok_rt import GrokClient
from grok_rt.simulator import Script, Simulator, dashboard

KEY = "xai-key-of-the-test"
DRIVER = shutil.which("chromedriver")


@contextlib.contextmanager
def asked(
    server: Simulator, path: str, host: str | None = None
) -> Iterator[http.client.HTTPResponse]:
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host} if host else {})
        yield connection.getresponse()


def told(stream: http.client.HTTPResponse) -> tuple[str, dict[str, Any]]:
    """The next event of the stream."""
    name = b""
    while not (line := stream.readline()).startswith(b"data: "):
        assert line, "the stream has ended"
        if line.startswith(b"event: "):
            name = line[7:].strip()
    return name.decode(), json.loads(line[6:])


def test_the_files() -> None:
    """Page, style and program come from this server, ask for nothing else, and may load no more."""
    with Simulator(dashboard=True) as server:
        for path, kind in (
            ("/", "html"),
            ("/dashboard.css", "css"),
            ("/dashboard.js", "javascript"),
        ):
            with asked(server, path) as answer:
                assert answer.status == 200
                assert kind in answer.headers["Content-Type"]
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
                text = answer.read().decode()
                assert not re.search(r"https?://", text)
                assert "innerHTML" not in text
        for path in ("/setup.cfg", "/../setup.cfg", "/question.wav"):
            with asked(server, path) as answer:
                assert answer.status == 404


def test_the_stream() -> None:
    """A page is told everything first, then what is new, while a call goes on."""
    with Simulator(Script().says("Hello."), dashboard=True, api_key=KEY) as server:
        with asked(server, "/events") as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            assert told(stream)[0] == "everything"
            with GrokClient(KEY, url=server.url, proxy=None) as grok:
                grok.ask("Hi.", timeout=20)
            heard: list[dict[str, Any]] = []
            sessions: dict[int, dict[str, Any]] = {}
            while not any(event["type"] == "(closed)" for event in heard):
                name, news = told(stream)
                assert name == "news"
                heard += news["events"]
                sessions |= {card["n"]: card for card in news["sessions"]}
        assert {"response.create", "response.done"} <= {event["type"] for event in heard}
        assert [span[::3] for span in sessions[1]["spans"]] == [
            ["caller", "Hi."],
            ["grok", "Hello."],
        ]
        assert sessions[1]["code"] == 1000
        with asked(server, "/events") as stream:  # one that comes late
            assert told(stream)[1]["sessions"] == list(sessions.values())


def test_the_key_is_not_shown() -> None:
    """Neither the key nor a token is in anything that the page is told."""
    with Simulator(dashboard=True, api_key=KEY) as server:
        with GrokClient(KEY, url=server.url, proxy=None) as grok:
            grok.ask("Hi.", timeout=20)
        with GrokClient(KEY, auth="subprotocol", url=server.url, proxy=None):
            pass
        with asked(server, "/events") as stream:
            assert KEY not in json.dumps(told(stream)[1])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:80", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("evil.example", 403),
        ("evil.example:80", 403),
    ],
)
def test_a_page_of_elsewhere_reads_nothing(host: str, status: int) -> None:
    """A name that was made to lead to this machine is not served what is said on it."""
    with Simulator(dashboard=True) as server, asked(server, "/events", host) as answer:
        assert answer.status == status


def test_stop_with_a_page_open() -> None:
    """A page that is open does not hold up the stop, and its stream ends."""
    with Simulator(dashboard=True) as server, asked(server, "/events") as stream:
        told(stream)
        server.stop()
        assert stream.readline() + stream.readline() + stream.readline() == b"\n"


class Browser:
    """Chromium, driven over HTTP by its own driver."""

    def __init__(self, port: int, profile: str) -> None:
        self._port = port
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        arguments += ["--disable-quic", "--disable-background-networking", "--disable-sync"]
        arguments += ["--disable-component-update", f"--user-data-dir={profile}"]
        always = {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": always}})
        self._path = f"/session/{session['sessionId']}"

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=40)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body or {}))
            value = json.loads(connection.getresponse().read())["value"]
        assert not (isinstance(value, dict) and "error" in value), value
        return value

    def go(self, url: str) -> None:
        self._ask("POST", f"{self._path}/url", {"url": url})

    def run(self, program: str) -> Any:
        body = {"script": program, "args": []}
        return self._ask("POST", f"{self._path}/execute/sync", body)

    def sees(self, text: str) -> str:
        """Wait until a text is on the page; returns all that is."""
        deadline = time.monotonic() + 20
        while text not in (shown := str(self.run("return document.body.innerText"))):
            assert time.monotonic() < deadline, shown
        return shown

    def complaints(self) -> list[Any]:
        said = self._ask("POST", f"{self._path}/se/log", {"type": "browser"})
        return [line for line in said if line["level"] in ("SEVERE", "WARNING")]

    def close(self) -> None:
        self._ask("DELETE", self._path)


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, text=True) as driver,
    ):
        try:
            assert driver.stdout is not None
            ready = next(line for line in driver.stdout if "successfully on port" in line)
            with contextlib.closing(
                Browser(int(re.findall(r"\d+", ready)[-1]), profile)
            ) as browser:
                yield browser
        finally:
            driver.terminate()


@pytest.mark.system
@pytest.mark.skipif(DRIVER is None, reason="there is no chromedriver to look at the page with")
def test_a_browser_shows_it() -> None:
    """In a browser there is a card of the session, with what was said on it, and no complaint."""
    with (
        Simulator(Script().says("<b>Hello.</b>"), dashboard=True) as server,
        browsing() as browser,
    ):
        browser.go(server.url.replace("ws", "http", 1).removesuffix("v1/realtime"))
        browser.sees("Nobody has called yet")
        with GrokClient(KEY, url=server.url, proxy=None) as grok:
            grok.ask("Hi.", timeout=20)
        shown = browser.sees("ended 1000")
        for text in ("Session 1", "ended 1000", "<b>Hello.</b>", "Hi.", "response.done"):
            assert text in shown
        assert "Nobody has called yet" not in shown
        assert KEY not in browser.run("return document.documentElement.outerHTML")
        assert browser.run("return document.querySelectorAll('.lanes .span').length") == 2
        assert browser.complaints() == []


def test_the_command_on_the_page_asks() -> None:
    """What the page tells its readers to type, typed."""
    page = Path(dashboard.__file__).parents[1] / "data" / "dashboard" / "dashboard.js"
    command = re.search(r"python -c '(.*)'`", page.read_text("utf-8"))
    assert command is not None
    with Simulator() as server:
        env = {**os.environ, "GROK_RT_URL": server.url, "XAI_API_KEY": "any"}
        typed = [sys.executable, "-c", command[1]]
        done = subprocess.run(
            typed, env=env, capture_output=True, text=True, timeout=30, check=False
        )
    assert (done.stdout, done.returncode) == ("You said: Hello?\n", 0), done.stderr
