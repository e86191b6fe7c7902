"""Each fact that is known of the protocol, with the test that shows it in the simulator.

The rows are those of our notes of the wire: the events of both sides, the flows in their live
order, and the quirks in which live differs from OpenAI or from its own documentation. A row may
name several tests, and a test may show several rows: `peer.text_turn` is `test_text_turn` of
`test_peer.py`.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

CLIENT_EVENTS = {
    "session.update": "wire.recorded_echo settings.refused",
    "input_audio_buffer.append": "turn_taking.voice_turn session.every_format_is_heard",
    "(binary frame)": "session.the_input_may_come_either_way",
    "input_audio_buffer.commit": "turn_taking.commit_answers_by_itself",
    "input_audio_buffer.clear": "turn_taking.clear_takes_a_commit_back",
    "conversation.item.create": "peer.text_turn session.items_are_inserted",
    "conversation.item.delete": "peer.delete session.the_deleted_item_is_not_named",
    "conversation.item.truncate": "peer.truncate_is_not_answered",
    "response.create": "peer.text_turn peer.metadata_is_echoed",
    "response.cancel": "peer.cancel",
    "conversation.item.commit": "peer.errors",
    "conversation.item.retrieve": "peer.errors",
    "output_audio_buffer.clear": "peer.errors",
    "response.function_call_output": "peer.errors",
    "event_id of any": "peer.errors",
}

ITEMS = {
    "message": "peer.client_item_ids_are_kept session.parts",
    "message with sound": "session.sound_as_an_item",
    "function_call": "peer.seeded_calls",
    "function_call_output": "peer.function_call_round_trip",
    "force_message": "peer.force_message peer.loose_force_messages",
    "force_message, not interruptible": "peer.uninterruptible",
    "previous_item_id": "session.items_are_inserted",
    "roles in echoes": "peer.roles_of_a_call",
}

#: Whose fields and types `test_wire` compares with recordings, or with the schema's examples.
_RECORDED = "wire.live_shapes "
_DOCUMENTED = "wire.documented_shapes "
_NEVER = "coverage.what_is_never_sent"

SERVER_EVENTS = {
    "session.created": _RECORDED + "peer.opening_triple",
    "conversation.created": _RECORDED + "peer.opening_triple",
    "ping": _RECORDED + "peer.ping_every_ten_seconds",
    "session.updated": "wire.recorded_echo settings.echo",
    "conversation.item.added": _RECORDED + "peer.text_turn",
    "conversation.item.created": _DOCUMENTED + "documented.replay",
    "conversation.item.done": _NEVER,
    "conversation.item.retrieved": _NEVER,
    "conversation.item.deleted": _DOCUMENTED + "peer.delete",
    "conversation.item.truncated": _DOCUMENTED + "behaviour.truncate_is_answered",
    "input_audio_buffer.speech_started": _RECORDED + "turn_taking.voice_turn",
    "input_audio_buffer.speech_stopped": _RECORDED + "turn_taking.voice_turn",
    "input_audio_buffer.committed": _RECORDED + "turn_taking.previous_user_item",
    "input_audio_buffer.cleared": _RECORDED + "turn_taking.clear_takes_a_commit_back",
    "input_audio_buffer.timeout_triggered": _DOCUMENTED + "turn_taking.idle_timeout",
    "input_audio_buffer.dtmf_event_received": _DOCUMENTED + "session.telephone_keys",
    "conversation.item.input_audio_transcription.updated": _RECORDED + "turn_taking.voice_turn",
    "conversation.item.input_audio_transcription.completed": _RECORDED + "turn_taking.voice_turn",
    "conversation.item.input_audio_transcription.delta": _NEVER,
    "conversation.item.input_audio_transcription.segment": _NEVER,
    "conversation.item.input_audio_transcription.failed": _NEVER,
    "response.created": _RECORDED + "peer.metadata_is_echoed",
    "response.output_item.added": _RECORDED + "peer.text_turn",
    "response.content_part.added": _RECORDED + "peer.text_turn",
    "response.output_audio.delta": _RECORDED + "peer.audio_deltas",
    "response.audio.delta": _NEVER,
    "response.output_audio_transcript.delta": _RECORDED
    + "peer.transcript_is_the_sum_of_its_deltas",
    "response.output_audio_transcript.done": _RECORDED + "peer.text_turn",
    "response.output_audio.done": _RECORDED + "peer.text_turn",
    "response.content_part.done": _RECORDED + "documented.text_turn",
    "response.output_item.done": _RECORDED + "peer.text_turn",
    "response.text.delta": "behaviour.text_replies",
    "response.output_text.delta": "behaviour.text_replies",
    "response.output_text.done": "behaviour.text_replies",
    "response.text.done": "behaviour.text_replies",
    "response.function_call_arguments.delta": _RECORDED + "peer.function_call_round_trip",
    "response.function_call_arguments.done": _RECORDED + "peer.function_call_round_trip",
    "response.done": _RECORDED + "peer.text_turn",
    "response.cancelled": _NEVER,
    "response.cancel": _NEVER,
    "mcp_list_tools.in_progress": _DOCUMENTED + "session.mcp_servers_are_asked_for_their_tools",
    "mcp_list_tools.completed": _DOCUMENTED + "session.mcp_servers_are_asked_for_their_tools",
    "mcp_list_tools.failed": _DOCUMENTED + "session.mcp_servers_are_asked_for_their_tools",
    "response.mcp_call_arguments.delta": _DOCUMENTED + "session.mcp_calls",
    "response.mcp_call_arguments.done": _DOCUMENTED + "session.mcp_calls",
    "response.mcp_call.in_progress": _DOCUMENTED + "session.mcp_calls",
    "response.mcp_call.completed": _DOCUMENTED + "session.mcp_calls",
    "response.mcp_call.failed": _DOCUMENTED + "session.mcp_calls",
    "rate_limits.updated": _NEVER,
    "output_audio_buffer.started": _NEVER,
    "output_audio_buffer.stopped": _NEVER,
    "output_audio_buffer.cleared": _NEVER,
    "error": _DOCUMENTED + "peer.errors",
    # and what goes through all of them
    "ids": "peer.ids peer.parallel_calls",
    "items": "wire.live_shapes",
    "usage": "peer.usage peer.billable_seconds_run_on",
    "timing": "peer.audio_deltas turn_taking.speech_times_are_of_the_session",
}

FLOWS = {
    "9.1 connect": "peer.opening_triple behaviour.opening",
    "9.2 text turn": "peer.text_turn",
    "9.2 text turn, as documented": "documented.text_turn",
    "9.3 VAD turn": "turn_taking.voice_turn",
    "9.3 other orders": "behaviour.turn_order",
    "9.3 a pause inside a turn": "behaviour.turns_are_reopened",
    "9.3 a burst that stops": "turn_taking.burst_without_silence_never_ends",
    "9.4 VAD still runs": "turn_taking.item_announced_early",
    "9.4 commit answers": "turn_taking.commit_answers_by_itself",
    "9.4 late duplicates": "behaviour.late_duplicates",
    "9.4 create together with commit": "behaviour.create_overtakes_commit",
    "9.4 create commits": "turn_taking.create_commits",
    "9.4 silence is no turn": "turn_taking.silent_commit_is_ignored",
    "9.4 create without news": "turn_taking.create_after_commit_is_dropped",
    "9.4 clear takes a commit back": "turn_taking.clear_takes_a_commit_back",
    "9.4 speech stops the reply": "turn_taking.speech_kills_a_manual_reply",
    "9.4 as documented": "behaviour.documented_commit",
    "9.5 barge-in": "turn_taking.barge_in",
    "9.5 barge-in when all was sent": "turn_taking.barge_in_on_what_is_only_playing",
    "9.5 cancel": "peer.cancel peer.errors behaviour.late_deltas",
    "9.6 function call": "peer.function_call_round_trip",
    "9.6 early output": "peer.output_before_response_done",
    "9.6 parallel calls": "peer.parallel_calls",
    "9.6 seeding": "peer.seeded_calls",
    "9.6 no preamble": "peer.roles_of_a_call",
    "9.7 search": "peer.a_search_of_the_service",
    "9.7 MCP": "session.mcp_calls session.mcp_servers_are_asked_for_their_tools",
    "9.8 force_message": "peer.force_message",
    "9.9 idle timeout": "turn_taking.idle_timeout",
    "9.10 recoverable error": "peer.errors settings.refused",
}

QUIRKS = {
    "Q1": "wire.live_shapes peer.previous_item_id_is_everywhere",
    "Q2": "peer.ping_every_ten_seconds",
    "Q3": "peer.usage",
    "Q4": "peer.billable_seconds_run_on",
    "Q5": "peer.status_details",
    "Q6": "peer.function_call_round_trip",
    "Q7": "turn_taking.voice_turn session.transcripts_are_repeated_in_a_pause "
    "behaviour.repeated_transcripts",
    "Q8": "turn_taking.transcripts_are_corrected",
    "Q9": "settings.echo_lacks_what_was_not_sent wire.recorded_echo",
    "Q10": "behaviour.echo_of_noise_suppression_and_leaks",
    "Q11": "peer.opening_triple settings.defaults",
    "Q12": "behaviour.voice",
    "Q13": "behaviour.text_is_ignored_live",
    "Q14": "turn_taking.barge_in",
    "Q15": "turn_taking.commit_answers_by_itself turn_taking.create_after_commit_is_dropped "
    "turn_taking.silent_commit_is_ignored turn_taking.speech_kills_a_manual_reply",
    "Q16": "peer.a_search_of_the_service peer.a_search_that_the_client_answers",
    "Q17": "peer.truncate_is_not_answered peer.delete session.the_deleted_item_is_not_named",
    "Q18": "peer.resumption",
    "Q19": "turn_taking.speech_times_are_of_the_session",
    "Q20": "behaviour.models",
    "Q21": "refusals.ways_in server.refusals",
    "Q22": "peer.resumption behaviour.replayed_field",
    "Q23": "peer.roles_of_a_call",
    "Q24": "behaviour.voice",
    "Q25": "behaviour.g711_is_ignored",
    "Q26": "behaviour.deaf_while_speaking turn_taking.barge_in",
    "Q27": "behaviour.echo_of_noise_suppression_and_leaks",
    "Q28": "behaviour.opening",
}

#: How many rows our notes have, so that none gets lost here.
TABLES = [(CLIENT_EVENTS, 15), (ITEMS, 8), (SERVER_EVENTS, 57), (FLOWS, 30), (QUIRKS, 28)]

#: OpenAI's, documented aliases, and what was only handled and never shown.
NEVER_SENT = {name for name, tests in SERVER_EVENTS.items() if tests == _NEVER}


def rows() -> list[tuple[str, str]]:
    return [row for table, _ in TABLES for row in table.items()]


def laws_of(module: str) -> set[str]:
    tree = ast.parse((HERE / f"test_{module}.py").read_text("utf-8"))
    names = (each.name for each in tree.body if isinstance(each, ast.FunctionDef))
    return {name[len("test_") :] for name in names if name.startswith("test_")}


@pytest.mark.parametrize(("table", "count"), TABLES)
def test_no_row_is_missing(table: dict[str, str], count: int) -> None:
    """Every row of the notes is here."""
    assert len(table) == count
    assert list(QUIRKS) == [f"Q{number}" for number in range(1, 29)]


@pytest.mark.parametrize(("row", "tests"), rows())
def test_every_row_is_shown(row: str, tests: str) -> None:
    """The tests that a row names exist."""
    assert tests.split(), row
    for test in tests.split():
        module, _, name = test.partition(".")
        assert name in laws_of(module), f"{row} is shown by {test}, which is not there"


def test_what_is_never_sent(
    live_messages: list[dict[str, Any]], documented_messages: list[dict[str, Any]]
) -> None:
    """What is OpenAI's alone, or was never seen, does not come in any of our conversations."""
    sent = {message["type"] for message in live_messages + documented_messages}
    assert NEVER_SENT.isdisjoint(sent)
    only_on_request = {name for name in SERVER_EVENTS if "." in name and "text." in name}
    whole = {name for name in SERVER_EVENTS if "_" in name or "." in name} - NEVER_SENT
    assert whole - only_on_request <= sent
