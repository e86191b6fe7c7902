"""Whose turn it is: what becomes of the user's sound, in server VAD and in manual mode.

Pure state on an `Agenda`, a part of `session`. The order of the messages is the recorded one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from grok_rt.simulator import shapes
from grok_rt.simulator.brain import Attentive
from grok_rt.simulator.listening import Cue, Listener, Turn
from grok_rt.simulator.packets import PacketListener
from grok_rt.simulator.script import Prompt

if TYPE_CHECKING:
    from grok_rt import audio
    from grok_rt.simulator.behaviour import Behaviour
    from grok_rt.simulator.channel import Channel
    from grok_rt.simulator.conversation import Conversation
    from grok_rt.simulator.response import Response
    from grok_rt.simulator.settings import Settings
    from grok_rt.simulator.speaking import Speaker


class TurnTaking:
    """Hears the user, and begins the answers to what was said.

    Args:
        channel: the session's time, its way out, its ids.
        performance: what is heard and said.
        behaviour: the ways of the service.
        settings: the mode and the format.
        conversation: learns what was said.
        speaker: gives the answers, and may be interrupted.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        performance: Attentive,
        behaviour: Behaviour,
        settings: Settings,
        conversation: Conversation,
        speaker: Speaker,
    ) -> None:
        self.turns: list[Turn] = []
        """Those that have ended."""
        self.received_seconds = 0.0
        """Sound of the user, silence too."""
        self._agenda = channel.agenda
        self._send = channel.send
        self._new_id = channel.new_id
        self._performance = performance
        self._behaviour = behaviour
        self._settings = settings
        self._conversation = conversation
        self._speaker = speaker
        self._opened = channel.agenda.now
        self._nothing_new = False  # the committed audio has been answered (manual mode)
        self._ended: Turn | None = None  # the last turn, if it is not committed yet (server VAD)
        self._unsaid: tuple[str, ...] = ()  # what is still to come of its end
        self._tuned = self._hearing
        self._listener = self._new_listener()

    @property
    def server_vad(self) -> bool:
        """Whether the service decides when a turn ends."""
        return self._settings.turn_detection is not None

    # --- what the client does ----------------------------------------------------------

    def tune(self) -> None:
        """The settings have changed: listen by the new ones."""
        if self._hearing != self._tuned:
            self._tuned = self._hearing
            self._listener = self._new_listener()

    @property
    def _hearing(self) -> tuple[audio.AudioFormat, dict[str, Any]]:
        return self._settings.input_format, dict(self._settings.turn_detection or {})

    def _new_listener(self) -> Listener | PacketListener:
        form, detection = self._hearing
        return (
            PacketListener()
            if form.type == "audio/opus"
            else Listener(form, detection, self._performance.hearing)
        )

    def seconds(self, data: bytes) -> float:
        """How long sound of the user plays."""
        return self._listener.seconds(data)

    def hear(self, data: bytes) -> None:
        """The next audio of the user, however it came."""
        if self._agenda.now < self._speaker.deaf_until:
            return  # a forced message that may not be interrupted
        if self._speaker.active and self._behaviour.deaf_while_speaking:
            return
        self.received_seconds += self._listener.seconds(data)
        for cue in self._listener.hear(data):
            if cue is Cue.STARTED:
                self._speech_started()
            elif cue is Cue.GOING_ON:
                self._transcribe_on()
            elif cue is Cue.SILENT:
                self._transcribe_silence()
            elif cue is Cue.OPENED:
                if not self.server_vad:
                    self._begin_turn()
            elif self.server_vad and (turn := self._listener.take()):
                self._end_turn(turn)

    def commit(self) -> None:
        """The user has spoken; silence and an empty buffer are nothing (live)."""
        if not self.server_vad and (turn := self._listener.take()):
            self._end_turn(turn)

    def clear(self) -> None:
        """Forget what was heard; right after a commit that takes it back (live)."""
        self._listener.take()
        response = self._speaker.active
        if response and response.from_commit and not response.sent_seconds:
            self._speaker.abandon()
        self._nothing_new = False

    def something_new(self) -> None:
        """There is something to answer again."""
        self._nothing_new = False

    def commit_for(self, metadata: Mapping[str, Any] | None) -> bool:
        """A response is wanted in manual mode: what was said is committed for it, if anything."""
        turn = None if self.server_vad else self._listener.take()
        if turn:
            self._end_turn(turn, metadata, asked=True)
        return turn is not None

    def drops_request(self) -> bool:
        """Whether a wanted response is dropped without a word: there is nothing new (live)."""
        if not self._nothing_new or self.server_vad:
            return False
        response = self._speaker.active
        early = response and response.from_commit and not response.begun
        if early and self._behaviour.create_overtakes_commit:
            self._speaker.abandon()  # the answer to come does not know what was said (live)
            return False
        return True

    # --- the turn ----------------------------------------------------------------------

    @property
    def _session_ms(self) -> int:
        """Milliseconds since the connection: what `audio_start_ms` really is (live)."""
        return round((self._agenda.now - self._opened) * 1000)

    def _speech_started(self) -> None:
        if self._ended and self._behaviour.reopens_turns:
            self._reopen(self._ended)
        else:
            self._join()
            self._interrupt()
        self._agenda.cancel(self._idle)
        turn = self._listener.turn or self._begin_turn()
        self._send(shapes.speech_started(turn.item_id, self._session_ms))
        if self.server_vad:
            self._announce(turn)

    def _reopen(self, turn: Turn) -> None:
        """The turn was not over: what was to be its answer is dropped without a word (live)."""
        self._ended = None
        self._agenda.cancel(self._join)
        self._speaker.abandon()
        self.turns.remove(turn)
        self._listener.resume(turn)

    def _begin_turn(self) -> Turn:
        turn = self._listener.begin(self._new_id(), self._performance.transcript())
        turn.after = self._conversation.last_id(of_user=True)
        self._nothing_new = False
        return turn

    def _interrupt(self) -> None:
        """The user's speech stops the reply that is being produced."""
        if self.server_vad or not self._behaviour.speech_stops_silently:
            self._speaker.cut(self._behaviour.interrupted_status)
        else:
            self._speaker.abandon()  # manual mode: not even a `response.done` (live)

    def _announce(self, turn: Turn) -> None:
        if not turn.announced:
            turn.announced = True
            item = shapes.spoken_item(turn.item_id, "", status="in_progress")
            self._conversation.add(item)
            self._send(shapes.item_added(item, turn.after))

    def _transcribe_on(self) -> None:
        turn = self._listener.turn
        if turn and self._settings.transcribes:
            self._announce(turn)
            words = turn.partial(guessing=self._behaviour.corrects_transcripts)
            self._send(shapes.transcription_updated(turn.item_id, words))
            self._completed(turn, words, "in_progress")

    def _transcribe_silence(self) -> None:
        """The transcript comes again while nobody speaks (live); by one report empty, too."""
        turn = self._listener.turn
        if turn and turn.announced and self._settings.transcribes:
            self._completed(turn, turn.partial(), "in_progress")
        elif self.turns and self._settings.transcribes and self._behaviour.repeats_transcripts:
            self._completed(self.turns[-1], "", "in_progress")

    def _completed(self, turn: Turn, transcript: str, status: str) -> None:
        self._send(shapes.transcription_completed(turn.item_id, transcript, status))

    def _end_turn(
        self, turn: Turn, metadata: Mapping[str, Any] | None = None, *, asked: bool = False
    ) -> None:
        """The turn joins the conversation, and its answer begins by itself."""
        self._interrupt()  # a reply that began while the user was speaking
        self.turns.append(turn)
        said = turn.transcript
        self._conversation.ask(
            text=said,
            speech_seconds=turn.seconds,
            sound=turn.sound,
            scripted=turn.words is not None,
        )
        item = shapes.spoken_item(turn.item_id, said, status="completed")
        self._conversation.add(item)
        if self.server_vad:
            self._end_detected(turn)
        else:
            self._send(shapes.speech_stopped(turn.item_id, self._session_ms))
            self._send(shapes.committed(turn.item_id, turn.after))
            if not turn.announced:
                self._send(shapes.item_added(item, turn.after))
            self._completed(turn, said, "completed")
            if asked or self._behaviour.commit_answers:
                self._answer(metadata, from_commit=True)
                self._nothing_new = True
                self._duplicate(turn)

    def _end_detected(self, turn: Turn) -> None:
        """Server VAD: what comes behind the creation of the answer comes a little later."""
        self._ended = turn
        self._agenda.set(self._join, self._agenda.now + self._speaker.latency)
        ends = self._behaviour.turn_order
        first = ends.index("response.created") + 1 if "response.created" in ends else len(ends)
        self._unsaid = ends[first:]
        self._say_ends(turn, ends[:first])
        if not self._unsaid:
            self._join()

    def _join(self) -> None:
        """The turn that has ended is committed; from now on speech is a turn of its own."""
        turn, self._ended = self._ended, None
        self._agenda.cancel(self._join)
        if turn:
            self._say_ends(turn, self._unsaid)

    def _say_ends(self, turn: Turn, names: Iterable[str]) -> None:
        said = turn.transcript
        ends: dict[str, Callable[[], None]] = {
            "speech_stopped": lambda: self._send(
                shapes.speech_stopped(turn.item_id, self._session_ms)
            ),
            "in_progress": lambda: self._completed(turn, said, "in_progress"),
            "response.created": self._answer,
            "committed": lambda: self._send(shapes.committed(turn.item_id, turn.after)),
            "completed": lambda: self._completed(turn, said, "completed"),
        }
        for name in names:
            ends[name]()

    def _answer(
        self, metadata: Mapping[str, Any] | None = None, *, from_commit: bool = False
    ) -> None:
        prompt = self._conversation.take_prompt()
        reply = self._performance.reply(prompt)
        self._speaker.respond(prompt, reply, metadata=metadata, from_commit=from_commit)

    def _duplicate(self, turn: Turn) -> None:
        """What may come late: the item as it began, and words that are not the last ones."""
        if self._behaviour.late_duplicates:
            item = shapes.spoken_item(turn.item_id, "", status="in_progress")
            self._send(shapes.item_added(item, turn.after))
            if self._settings.transcribes:
                first = " ".join(turn.transcript.split()[:1])
                self._send(shapes.transcription_updated(turn.item_id, first))
                self._completed(turn, first, "in_progress")

    # --- nobody speaks -----------------------------------------------------------------

    def response_done(self, response: Response) -> None:
        """A response has come to its own end: from now on the user's silence counts."""
        idle_ms = self._idle_ms
        if idle_ms:
            # The silence begins when the answer has been played, not when it has been sent.
            played = response.started + response.speech.seconds
            self._agenda.set(self._idle, max(played, self._agenda.now) + idle_ms / 1000)

    @property
    def _idle_ms(self) -> float:
        return (self._settings.turn_detection or {}).get("idle_timeout_ms") or 0

    def _idle(self) -> None:
        """An unprompted reply to a silent turn."""
        idle_ms = self._idle_ms
        if not idle_ms or self._speaker.active or self._listener.turn:
            return
        item_id, after = self._new_id(), self._conversation.last_id(of_user=True)
        end = self._session_ms
        self._send(shapes.timeout_triggered(item_id, after, end - round(idle_ms), end))
        self._send(shapes.committed(item_id, after))
        item = shapes.spoken_item(item_id, "", status="completed")
        self._conversation.add(item)
        self._send(shapes.item_added(item, after))
        prompt = Prompt(silence=True)
        self._speaker.respond(prompt, self._performance.reply(prompt))
