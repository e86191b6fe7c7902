"""TLS for two threads, against OpenSSL driven by asyncio and by `openssl s_server`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raw_peer import authority, listening, server_context, silent, trusting

from grok_rt._wire.line.dialling import DeadlineSocket
from grok_rt._wire.tls import TLSSocket, default_context

BLOCK = 4096
SECONDS = 2.0


@contextlib.contextmanager
def connected(
    port: int, host: str = "localhost", *, timeout: float = 5, context: ssl.SSLContext | None = None
) -> Iterator[tuple[socket.socket, TLSSocket]]:
    with socket.create_connection(("127.0.0.1", port)) as raw:
        wire = DeadlineSocket(raw, time.monotonic() + timeout)
        secured = TLSSocket(wire, context or trusting(), host)
        secured.handshake()
        wire.set_deadline(None)
        yield raw, secured


def read_exactly(stream: TLSSocket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        data += stream.recv(size - len(data)) or pytest.fail("closed too early")
    return bytes(data)


def numbered(number: int) -> bytes:
    return struct.pack("!Q", number) * (BLOCK // 8)


def echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(data)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_bytes_come_back(host: str, version: ssl.TLSVersion) -> None:
    """Names and addresses alike: what is sent arrives, of any size, in TLS 1.2 and 1.3."""
    context = trusting()
    context.maximum_version = version
    with (
        listening(echo, context=server_context()) as port,
        connected(port, host, context=context) as (_, stream),
    ):
        for size in (1, 16 << 10, 100_000):
            data = bytes(range(256)) * (size // 256 + 1)
            sender = threading.Thread(target=stream.sendall, args=(data,))
            sender.start()
            assert read_exactly(stream, len(data)) == data
            sender.join(5)
        stream.sendall(b"")  # nothing to say is no error


@pytest.mark.parametrize(
    ("host", "expired", "code"),
    [("example.org", False, 62), ("192.0.2.1", False, 64), ("localhost", True, 10)],
)
def test_a_wrong_certificate_is_refused(host: str, expired: bool, code: int) -> None:
    """The name, the address and the date of a certificate are checked."""
    with (
        listening(silent, context=server_context(expired=expired)) as port,
        pytest.raises(ssl.SSLCertVerificationError) as caught,
        connected(port, host),
    ):
        pass
    assert caught.value.verify_code == code


def test_an_unknown_authority_is_refused() -> None:
    """By default only the system's authorities are trusted; the server is told why."""
    heard: list[str | None] = []

    def talk(connection: socket.socket) -> None:
        try:
            with server_context().wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)
        except ssl.SSLError as error:
            heard.append(error.reason)

    with listening(talk) as port:
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            connected(port, context=default_context()),
        ):
            pass
        deadline = time.monotonic() + 5
        while not heard and time.monotonic() < deadline:
            time.sleep(0.01)
    assert heard == ["TLSV1_ALERT_UNKNOWN_CA"]
    assert default_context() is default_context()


def test_who_is_trusted_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SSL_CERT_FILE` counts whenever it is set, also behind the first session of a process."""
    before = default_context()
    monkeypatch.setenv("SSL_CERT_FILE", "another.pem")
    assert default_context() is not before
    monkeypatch.undo()
    assert default_context() is before


def test_the_handshake_obeys_the_deadline() -> None:
    """A server that takes the hello and never answers costs the deadline, no more."""
    started = time.monotonic()
    with listening(silent) as port, pytest.raises(TimeoutError), connected(port, timeout=0.2):
        pass
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("polite", [True, False], ids=["close_notify", "bare EOF"])
def test_the_end_is_zero_bytes(polite: bool) -> None:
    """After the last byte `recv` returns none, whether or not TLS was closed politely."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(b"last words")
        if polite:
            with contextlib.suppress(OSError):
                connection.unwrap()  # type: ignore[attr-defined]

    with listening(talk, context=server_context()) as port, connected(port) as (_, stream):
        assert read_exactly(stream, 10) == b"last words"
        assert stream.recv(10) == b""
        assert stream.recv(10) == b""


def test_a_forged_record_is_an_error() -> None:
    """Bytes that nobody with the keys has sent raise, again and again."""

    def talk(connection: socket.socket) -> None:
        with server_context().wrap_socket(connection, server_side=True) as secured:
            secured.sendall(b"genuine")
            socket.socket.sendall(secured, b"\x17\x03\x03\x00\x20" + bytes(32))
            socket.socket.recv(secured, 1)

    with listening(talk) as port, connected(port) as (_, stream):
        assert read_exactly(stream, 7) == b"genuine"
        for _ in range(2):
            with pytest.raises(ssl.SSLError):
                stream.recv(10)


class InMemory:
    """A carrier whose other end, a server's TLS, is in the test's hands."""

    is_ready = False

    def __init__(self) -> None:
        self._incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server_context().wrap_bio(self._incoming, self.outgoing, server_side=True)
        self.stream = TLSSocket(self, trusting(), "localhost")
        self.stream.handshake()
        self.buffer = memoryview(bytearray(100))
        while self.stream.is_ready:  # session tickets
            assert self.stream.take_into(self.buffer) is None

    def sendall(self, data: bytes) -> None:
        self._incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.server.do_handshake()

    def recv(self, size: int) -> bytes:
        raise AssertionError

    def take_into(self, buffer: memoryview) -> int:
        data = self.outgoing.read(len(buffer))
        assert data, "a real one would block"
        buffer[: len(data)] = data
        return len(data)


def test_a_forgery_in_the_same_packet_waits_its_turn() -> None:
    """Good bytes and a forged record that arrive together: first the bytes, then the error."""
    end = InMemory()
    end.server.write(b"genuine")
    end.outgoing.write(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert end.stream.recv(100) == b"genuine"
    assert end.stream.is_ready  # though nothing more will ever come
    with pytest.raises(ssl.SSLError):
        end.stream.recv(100)


def test_one_read_at_a_time() -> None:
    """Half a record is nothing yet, and does not block; what is at hand is taken without a read."""
    end, buffer = InMemory(), memoryview(bytearray(3))
    end.server.write(b"halves")
    record = end.outgoing.read()
    end.outgoing.write(record[:9])
    assert end.stream.take_into(buffer) is None
    assert not end.stream.is_ready
    end.outgoing.write(record[9:])
    assert (end.stream.take_into(buffer), bytes(buffer)) == (3, b"hal")
    assert end.stream.is_ready
    assert (end.stream.take_into(buffer), bytes(buffer)) == (3, b"ves")
    while end.stream.is_ready:
        assert end.stream.take_into(buffer) is None
    end.server.write(b"x")
    assert end.stream.take_into(buffer) == 1


@contextlib.contextmanager
def flooding_server() -> Iterator[tuple[int, dict[str, int]]]:
    """Serve numbered blocks at full speed, and check those that come, in asyncio's one thread."""
    seen = {"received": 0, "wrong": 0}
    loop = asyncio.new_event_loop()
    started = threading.Event()
    done = asyncio.Event()
    ports: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def flood() -> None:
            number = 0
            while not writer.is_closing():
                writer.write(numbered(number))
                number += 1
                await writer.drain()
                await asyncio.sleep(0)  # `drain` of a lost connection may return at once, for ever

        flooder = asyncio.create_task(flood())
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                block = await reader.readexactly(BLOCK)
                seen["wrong"] += block != numbered(seen["received"])
                seen["received"] += 1
        flooder.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await flooder
        writer.transport.abort()
        done.set()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context())
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        await done.wait()
        server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(5)
    try:
        yield ports[0], seen
    finally:
        thread.join(5)
        assert not thread.is_alive()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def run(*jobs: Callable[[], None]) -> None:
    """Run jobs in threads until all are done."""
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 10)
        assert not thread.is_alive()


def test_both_directions_at_full_speed_stay_whole() -> None:
    """A reader and a writer at full speed never see a byte out of place."""
    with flooding_server() as (port, seen), connected(port) as (raw, stream):
        stop = time.monotonic() + SECONDS
        sent = received = wrong = 0

        def write() -> None:
            nonlocal sent
            while time.monotonic() < stop:
                stream.sendall(numbered(sent))
                sent += 1

        def read() -> None:
            nonlocal received, wrong
            while time.monotonic() < stop:
                wrong += read_exactly(stream, BLOCK) != numbered(received)
                received += 1

        run(write, read)
        raw.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError, ssl.SSLError):  # let the server take the rest
            while stream.recv(1 << 16):
                pass
    assert wrong == seen["wrong"] == 0
    assert sent > 100
    assert received > 100
    assert seen["received"] == sent


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_key_updates_while_both_threads_work(tmp_path: Path) -> None:
    """TLS 1.3 KeyUpdates, asked for by the server in full flight, break nothing."""
    leaf = authority().issue_cert("localhost")
    certificate = tmp_path / "server.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", str(certificate)]
    command += ["-tls1_3", "-naccept", "1"]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    )
    assert server.stdin is not None
    assert server.stdout is not None
    output = server.stdout.fileno()
    updates, sent, taken = 100, 0, 0
    received, said = bytearray(), bytearray()
    asked, counted, all_taken = threading.Event(), threading.Event(), threading.Event()

    def drain() -> None:
        nonlocal taken
        while data := os.read(output, 1 << 16):
            taken += data.count(b"\0")
            said.extend(data.replace(b"\0", b""))
            if counted.is_set() and taken >= sent:
                all_taken.set()

    def write() -> None:
        nonlocal sent
        while not asked.is_set():
            sent += BLOCK
            stream.sendall(bytes(BLOCK))
        sent += 1
        counted.set()
        stream.sendall(b"\0")  # so that `drain` looks once more

    def read() -> None:
        while data := stream.recv(1 << 16):
            received.extend(data)

    def ask() -> None:
        assert server.stdin is not None
        for _ in range(updates):
            for line in (b"K\n", b"hello\n"):
                server.stdin.write(line)
                time.sleep(0.004)  # s_server obeys the first letter of what it reads at once
        asked.set()
        assert all_taken.wait(10)
        server.stdin.write(b"Q\n")

    try:
        accept = bytearray()
        while not (found := re.search(rb"ACCEPT \S*:(\d+)\s", accept)):
            accept += os.read(output, 1) or pytest.fail("no s_server")
        with connected(int(found[1])) as (_, stream):
            run(drain, write, read, ask)
    finally:
        server.kill()
        server.wait(5)
        server.stdin.close()
        server.stdout.close()
    assert received.count(b"hello\n") > updates // 2  # those that were not taken for commands
    assert b"rror" not in said
    assert taken == sent
