"""`grok-rt simulate` as its users run it: a process, signals, other people's clients."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from commands import COMMAND, SENTENCE, environment
from raw_peer import authority
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from grok_rt import GrokClient
from grok_rt.cli import main
from grok_rt.errors import AuthenticationFailed, ConnectionClosedError
from grok_rt.recording import record
from grok_rt.simulator import Script, Simulator, loopback
from grok_rt.simulator.faults import _KINDS

KEY = "xai-key-of-the-test"


class Running:
    """A process that has said that it listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.first_line = process.stdout.readline()
        assert self.first_line.startswith("listening on ws"), process.stderr.read()
        self.url = self.first_line.split()[-1]
        self.port = urlsplit(self.url).port or 0
        self.notes = process.stderr

    def dial(self, key: str = KEY) -> ClientConnection:
        return connect(self.url, additional_headers={"Authorization": f"Bearer {key}"})

    def get(self, path: str) -> tuple[int, str]:
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(asked):
            asked.request("GET", path)
            answer = asked.getresponse()
            return answer.status, answer.read().decode()


@contextlib.contextmanager
def simulating(*arguments: str) -> Iterator[Running]:
    with subprocess.Popen(
        [*COMMAND, "simulate", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def until(client: ClientConnection, type: str) -> dict[str, object]:
    while True:
        message: dict[str, object] = json.loads(client.recv(timeout=10))
        if message["type"] == type:
            return message


def test_a_call_and_its_end() -> None:
    """One line says where; SIGTERM lets the call come to its end, refuses others, and exits 0."""
    with simulating("--key", KEY) as at:
        assert at.first_line == f"listening on ws://127.0.0.1:{at.port}/v1/realtime\n"
        with pytest.raises(InvalidStatus), at.dial("another"):
            pass
        with at.dial() as client:
            until(client, "ping")
            at.process.send_signal(signal.SIGTERM)
            while at.get("/healthz")[0] == 200:
                time.sleep(0.01)
            with pytest.raises(InvalidStatus) as refused, at.dial():
                pass
            assert refused.value.response.status_code == 503
            client.send('{"type": "response.create"}')
            assert until(client, "response.done")["response"]["status"] == "completed"  # type: ignore[index]
            assert at.process.poll() is None
        assert at.process.wait(10) == 0
        assert at.process.stdout is not None
        assert at.process.stdout.read() == ""  # there was one line, and no more
        assert at.notes.read() == f"dashboard at http://127.0.0.1:{at.port}/\n"


@pytest.mark.parametrize(
    ("signals", "code", "said"),
    [([signal.SIGINT], 130, "grok-rt: interrupted\n"), ([signal.SIGTERM] * 2, 0, "")],
)
def test_who_is_in_a_hurry(signals: list[signal.Signals], code: int, said: str) -> None:
    """Ctrl+C, and a second SIGTERM, end it at once, whoever is in a call."""
    with simulating() as at, at.dial() as client:
        until(client, "ping")
        for each in signals:
            at.process.send_signal(each)
            time.sleep(0.1)  # two signals at once are one
        assert at.process.wait(10) == code
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert at.notes.read().partition("\n")[2] == said


def test_grace_has_an_end() -> None:
    """A call that does not end in time is closed."""
    with simulating("--grace", "0.1") as at, at.dial() as client:
        until(client, "ping")
        at.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert at.process.wait(10) == 0


def test_script_and_faults(tmp_path: Path) -> None:
    """A file says what is heard and said and what goes wrong; more faults by options."""
    file = tmp_path / "call.toml"
    file.write_text(
        """
        [[step]]
        says = "Let me look."
        [[step]]
        calls = "weather"
        with = { city = "Oslo" }
        [[step]]
        says = "It is {output}."
        [[fault]]
        kind = "close"
        at = "response.created"
        nth = 3
        code = 1013
        """
    )
    refuse = "refuse:status=401,sessions=1"
    with simulating("--script", str(file), "--fault", refuse) as at:
        with pytest.raises(AuthenticationFailed):
            GrokClient(KEY, url=at.url, proxy=None).connect()
        with GrokClient(KEY, url=at.url, proxy=None) as grok:

            @grok.tool(timeout=5)
            def weather(city: str) -> str:
                return f"cold in {city}"

            assert grok.ask("How is it?", timeout=20).text.endswith("It is cold in Oslo.")
            with pytest.raises(ConnectionClosedError) as closed:
                grok.ask("And now?", timeout=20)
            assert closed.value.code == 1013


def test_a_recorded_call(tmp_path: Path) -> None:
    """What was said in a call that was recorded is said again, to any client."""
    script = Script().says("It is cold in Oslo.")
    grok = GrokClient(KEY, transport=loopback(script, instant=True))
    with record(grok, tmp_path / "call"), grok:
        grok.ask("How is it?", timeout=20)
    with (
        simulating("--recording", str(tmp_path / "call")) as at,
        GrokClient(KEY, url=at.url, proxy=None) as again,
    ):
        assert again.ask("And now?", timeout=20).text == "It is cold in Oslo."


def test_tls_of_its_own(tmp_path: Path) -> None:
    """A certificate is made for the run; clients are told whom to trust, and then it holds."""
    with simulating("--tls") as at:
        assert at.url.startswith("wss://")
        at.notes.readline()
        trusted = at.notes.readline().rpartition("=")[2].strip()
        context = ssl.create_default_context(cafile=trusted)
        for host in ("127.0.0.1", "localhost"):
            url = at.url.replace("127.0.0.1", host)
            with GrokClient(KEY, url=url, ssl_context=context, proxy=None) as grok:
                assert grok.session_id
        at.process.send_signal(signal.SIGTERM)
        assert at.process.wait(10) == 0
        assert not Path(trusted).exists()


def test_tls_of_the_users(tmp_path: Path) -> None:
    """A certificate of the user's is served as it is."""
    leaf = authority().issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    leaf.cert_chain_pems[0].write_to_path(cert)
    leaf.private_key_pem.write_to_path(key)
    with simulating("--cert", str(cert), "--keyfile", str(key)) as at:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority().configure_trust(context)
        url = at.url.replace("127.0.0.1", "localhost")
        with GrokClient(KEY, url=url, ssl_context=context, proxy=None) as grok:
            assert grok.session_id


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "sneeze"], "no fault is called 'sneeze'; there are at-random, "),
        (["--script", "nowhere.toml"], "nowhere.toml: No such file or directory"),
        (["--recording", "nowhere"], "'nowhere' is no recording"),
        (["--port", "99999"], "a port is 0 to 65535"),
        (["--keyfile", "key.pem"], "give the certificate too"),
        (["--cert", "nowhere.pem"], "nowhere.pem: no certificate with its key"),
        (["--host", "192.0.2.1"], "Cannot assign requested address"),
        (["--tls", "--cert", "nowhere.pem"], "--tls makes a certificate, --cert gives one"),
    ],
)
def test_mistakes(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be is one sentence on stderr, and exit code 1."""
    assert main(["simulate", "--port", "0", *arguments]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert SENTENCE.fullmatch(told.err)
    assert said in told.err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """A second one on the same port says so in one sentence, and what to do."""
    with Simulator() as server:
        port = urlsplit(server.url).port
        assert main(["simulate", "--port", str(port)]) == 1
    told = capsys.readouterr().err
    assert SENTENCE.fullmatch(told)
    assert f"127.0.0.1, port {port} (Address already in use): choose another --port" in told


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help has examples, the form of a script, and every fault."""
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    told = capsys.readouterr().out
    assert "examples:" in told
    assert [word for word in _KINDS if word not in told] == []
