"""Opus from the user: counted, never decoded."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from virtual_talk import MANUAL, VAD, Talk, names, only

from grok_rt.simulator.packets import SILENCE, PacketListener
from grok_rt.simulator.script import Script

OPUS: dict[str, Any] = {"audio": {"input": {"format": {"type": "audio/opus"}}}}
PACKET = bytes([15 << 3]) + b"opaque"  # one frame of 20 ms


def append(talk: Talk, packet: bytes) -> list[dict[str, Any]]:
    return talk.send("input_audio_buffer.append", audio=base64.b64encode(packet).decode())


@pytest.mark.parametrize(
    ("head", "ms"),
    [
        ([0 << 3], 10),
        ([3 << 3], 60),
        ([9 << 3 | 1], 40),
        ([12 << 3], 10),
        ([15 << 3 | 2], 40),
        ([16 << 3], 2.5),
        ([31 << 3], 20),
        ([31 << 3 | 3, 6], 120),
        ([31 << 3 | 3, 0xC0 | 6], 120),
    ],
)
def test_a_packet_says_how_long_it_plays(head: list[int], ms: float) -> None:
    """The length is in the first bytes of a packet, as RFC 6716 has it."""
    assert PacketListener().seconds(bytes(head)) * 1000 == pytest.approx(ms)


@pytest.mark.parametrize("rate", [{}, {"rate": 24000}])
def test_a_commit_answers(rate: dict[str, Any]) -> None:
    """In manual mode a commit answers what came; that it was speech nobody claims."""
    talk = Talk()
    form = {"type": "audio/opus", **rate}
    talk.send("session.update", session=MANUAL | {"audio": {"input": {"format": form}}})
    for _ in range(50):
        assert append(talk, PACKET) == []
    turn = talk.send("input_audio_buffer.commit") + talk.wait(9)
    said = only(turn, "response.output_audio_transcript.done")[0]["transcript"]
    assert said == "I heard 1.0 seconds of Opus."
    assert turn[-1]["usage"]["input_token_details"]["audio_tokens"] == 10
    assert turn[-1]["usage"]["billable_audio_seconds"] >= 1
    assert talk.peer.turns[0].packets == [PACKET] * 50
    assert talk.send("input_audio_buffer.commit") + talk.wait(9) == []


def test_a_script_may_say_what_was_heard() -> None:
    """The transcript of the turn is the script's, as with any sound."""
    talk = Talk(Script().hears("How warm is it?").says("Three degrees."))
    talk.send("session.update", session=MANUAL | OPUS)
    append(talk, PACKET)
    turn = talk.send("response.create") + talk.wait(9)
    heard = only(turn, "conversation.item.input_audio_transcription.completed")
    assert heard[-1]["transcript"] == "How warm is it?"
    assert turn[-1]["type"] == "response.done"


def test_server_vad_hears_no_speech() -> None:
    """Where only speech could begin a turn, none begins."""
    talk = Talk()
    talk.send("session.update", session=VAD | OPUS)
    assert append(talk, PACKET) + talk.wait(9) == []
    assert talk.send("input_audio_buffer.commit") == []


@pytest.mark.parametrize("packet", [b"", bytes([3])])
def test_half_a_packet_is_refused(packet: bytes) -> None:
    """What cannot be a packet is an error, in binary frames too."""
    talk = Talk()
    talk.send("session.update", session=MANUAL | OPUS)
    (refused,) = append(talk, packet)
    assert refused["error"]["param"] == "audio"
    talk.peer.receive_audio(packet, talk.now)
    assert names(talk.wait(0)) == ["error"]


@pytest.mark.parametrize("transport", ["json", "binary"])
def test_packets_are_passed_on(transport: str) -> None:
    """As output the script's packets leave one by one, as they are."""
    packets = [PACKET + bytes([number]) for number in range(30)]
    talk = Talk(Script().says("Seven words are more than a segment.", packets=packets))
    output = {"format": {"type": "audio/opus"}, "transport": transport}
    (echo,) = talk.send("session.update", session={"audio": {"output": output}})
    assert echo["session"]["audio"] == {"output": output}
    talk.write("Hi")
    talk.send("response.create")
    turn = talk.wait(9)
    deltas = only(turn, "response.output_audio.delta")
    if transport == "binary":
        assert (deltas, talk.sound) == ([], packets)
    else:
        assert [base64.b64decode(delta["delta"]) for delta in deltas] == packets
        assert {delta["audio_duration_ms"] for delta in deltas} == {20}
    words = only(turn, "response.output_audio_transcript.delta")
    assert [delta["start_time"] for delta in words] == [0.0, pytest.approx(0.44, abs=0.1)]
    assert turn[-1]["usage"]["output_audio_seconds"] == 0.6


def test_without_packets_opus_is_silence() -> None:
    """There is no encoder: a script of words alone lasts as long in silent packets."""
    talk = Talk(Script().says("Good morning to you all."))
    form = {"format": {"type": "audio/opus"}}
    talk.send("session.update", session={"audio": {"output": form}})
    talk.write("Hi")
    talk.send("response.create")
    turn = talk.wait(9)
    sound = {base64.b64decode(d["delta"]) for d in only(turn, "response.output_audio.delta")}
    assert sound == {SILENCE}
    assert turn[-1]["usage"]["output_audio_seconds"] > 0.5
