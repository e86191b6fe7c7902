"""How the simulated service behaves, where more than one way has been seen or written down.

Values only. Each field says which fact it stands for; the defaults are the newest behaviour that
was recorded from the live service, `DOCUMENTED` is what xAI's documentation says instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

__all__ = ["DOCUMENTED", "LIVE", "Behaviour"]

NEWEST_MODEL: Final = "grok-voice-think-fast-2.0"
_PINNED = frozenset({NEWEST_MODEL, "grok-voice-think-fast-1.0"})

_LIVE_OPENING = ("session.created", "conversation.created", "ping")
_TURN_ORDER = ("speech_stopped", "in_progress", "response.created", "committed", "completed")


def _permuted(names: tuple[str, ...]) -> Any:
    """Checks that a field has only these names, each once at most."""

    def check(_: object, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
        if len(set(value)) != len(value) or not set(value) <= set(names):
            raise ValueError(f"{attribute.name} is made of {', '.join(names)}; got {value!r}")

    return check


@attrs.frozen(kw_only=True)
class Behaviour:
    """What may differ from one service to the other; the defaults are the live one's.

    ::

        Simulator(behaviour=Behaviour(truncate_is_answered=True))
    """

    documented_shapes: bool = False
    """Send the fields, names and order of xAI's schema, not those seen on the wire: no
    ``previous_item_id`` on every event, usage inside the response, no ``ping``."""

    # --- the session -------------------------------------------------------------------

    voice: str = "xai_ara"
    """The voice in `session.created`: ``xai_ara`` was seen from August to October 2026,
    ``human_Ara`` and ``ara`` before; documented is ``eve``."""
    opening: tuple[str, ...] = attrs.field(
        default=_LIVE_OPENING, validator=_permuted(_LIVE_OPENING)
    )
    """What opens a session, in this order. Before the spring of 2026 `conversation.created` came
    first; in April 2026 a project saw no `session.created` at all."""
    ping_seconds: float | None = 10.0
    """Seconds from one ``ping`` to the next, counted from the connection (recorded: exactly 10);
    None for no pings: the schema has none."""
    echoes_the_alias: bool = False
    """Name the model by the alias that was asked for, as in July 2026; since August it is the
    model behind it."""
    nested_settings: bool = True
    """Take ``turn_detection`` and ``voice`` from inside ``audio`` too, where OpenAI has them, if
    they are not at the top. One client's smoke test passed so in August 2026; another found in
    June that they were not reliably honoured, which is False."""
    noise_suppression: bool = False
    """What `session.updated` says of ``enable_noise_suppression``, whatever was asked for: true
    up to August 11, 2026, false since."""
    leaked_settings: Mapping[str, Any] = attrs.Factory(dict)
    """Fields added to the session of every `session.updated`: on July 7, 2026 dozens of internal
    settings leaked."""
    resumption_seconds: float = 1800.0
    """How long a conversation is kept without activity (documented: 30 minutes)."""
    replays_the_user: bool = False
    """Replay the user's messages of a resumed conversation too, as documented; recorded were the
    assistant's alone."""
    replayed_field: bool = True
    """Whether items say if they are ``replayed``: they do since the middle of August 2026."""
    fatal_close_code: int = 1000
    """The code that closes the session after ``max_duration`` and ``timeout``; no source says."""

    # --- the user's turn ---------------------------------------------------------------

    turn_order: tuple[str, ...] = attrs.field(default=_TURN_ORDER, validator=_permuted(_TURN_ORDER))
    """The end of a turn with server VAD, as of September 25, 2026. Other recordings had
    ``speech_stopped, committed, completed, response.created`` (July 28) and
    ``response.created`` before all others (August 28)."""
    reopens_turns: bool = True
    """With server VAD a turn is committed a moment after its end, when its answer is about to be
    spoken. Speech before that takes the end back: the same item starts again, and the response
    that had been created is never heard of again (recorded in September 2026)."""
    repeats_transcripts: bool = False
    """Send a final-looking but empty transcript about once a second of silence too (one report,
    September 2026)."""
    corrects_transcripts: bool = False
    """End partial transcripts as if they were questions, and think better of it: "Hello?" became
    "Hello, my name is" on July 28, 2026. Others only grew."""
    late_duplicates: bool = False
    """Follow the `response.created` of a commit with the item in progress and an older
    transcript, as some recordings of September 2026 have it."""
    commit_answers: bool = True
    """A commit is answered by itself, as recorded; documented is that `response.create` does."""
    create_overtakes_commit: bool = False
    """A `response.create` sent together with a commit is answered before the speech has joined
    the conversation (checked live, September 2026). False drops it, as is done a moment later."""
    deaf_while_speaking: bool = False
    """Hear nobody during a response: so it was in one test; in two recordings speech was heard."""

    # --- the answer --------------------------------------------------------------------

    interrupted_status: Literal["completed", "cancelled"] = "completed"
    """The status of a response that speech has cut off; documented is ``cancelled``."""
    speech_stops_silently: bool = True
    """In manual mode speech ends a response without `response.done` (checked live, September
    2026)."""
    call_seconds: float = 0.001
    """From the last message of a call to `response.done`: outputs that come meanwhile are too
    early, and refused with ``invalid_tool_call_id`` (seen in May 2026). In recordings of September
    both came in one burst, and clients that do not wait were in time."""
    late_deltas: int = 0
    """Deltas that still arrive after a response was cancelled; documented as possible."""
    text_replies: Literal["", "response.output_text", "response.text"] = ""
    """Answer in text where ``modalities`` are ``["text"]``, with deltas of this name: both are
    documented. Live the wish is echoed and ignored."""
    ignores_g711: bool = False
    """Send 24 kHz PCM where G.711 was asked for: one project saw that from May to August 2026."""

    # --- items -------------------------------------------------------------------------

    shortened_call_ids: bool = True
    """Take an output under the first 32 hexadecimal digits of the SHA-256 of its call's id, too:
    so LiveKit's plugin for xAI sends every id that is longer than OpenAI's, and it works."""
    truncate_is_answered: bool = False
    """Answer `conversation.item.truncate`, as documented; live nothing comes."""
    deleted_names_the_item: bool = False
    """Say in `conversation.item.deleted` which item it was, as documented; live, in April 2026,
    its ``item_id`` was empty."""
    answers_can_be_deleted: bool = False
    """Delete the model's own messages too; live they were "not found" (August 2026)."""

    def model(self, asked_for: str) -> str:
        """The model that serves who asks for this one: unknown names are accepted (live)."""
        if asked_for in _PINNED or (self.echoes_the_alias and asked_for == "grok-voice-latest"):
            return asked_for
        return NEWEST_MODEL


LIVE: Final = Behaviour()

DOCUMENTED: Final = Behaviour(
    documented_shapes=True,
    voice="eve",
    opening=("conversation.created", "session.created"),
    ping_seconds=None,
    replays_the_user=True,
    replayed_field=False,
    commit_answers=False,
    interrupted_status="cancelled",
    speech_stops_silently=False,
    text_replies="response.output_text",
    truncate_is_answered=True,
    deleted_names_the_item=True,
    answers_can_be_deleted=True,
)
