"""The verbs that ask: one question at a time, and its answer, whole or in parts.

They run on the thread that asks; `submit` starts one that does. `Question` knows what is sent
and what came back, `Exchange` how it comes to its answer, `Questions` whose turn it is. And what
a client remembers of all that was said, which it can tell a new session.
"""

from __future__ import annotations

import itertools
import logging
from concurrent.futures import Future
from typing import TYPE_CHECKING

from grok_rt import events
from grok_rt._asking.exchange import AnswerStream, Exchange, Patience
from grok_rt._asking.parts import Parts
from grok_rt._asking.question import Question
from grok_rt._client.sender import GrokSender
from grok_rt.conversation import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from grok_rt._asking.question import Prompt
    from grok_rt._asking.questions import Questions
    from grok_rt._client.lifecycle import Lifecycle
    from grok_rt._client.pump import Pump
    from grok_rt.answer import Answer
    from grok_rt.conversation import Conversation
    from grok_rt.models import SessionConfig

__all__ = ["GrokAsker", "keeping"]

log = logging.getLogger("grok_rt")


class GrokAsker(GrokSender):
    """What can be asked of Grok."""

    config: SessionConfig
    _conversation: Conversation
    _lifecycle: Lifecycle
    _pump: Pump
    _questions: Questions

    def ask(self, prompt: Prompt, timeout: float | None = 60.0) -> Answer:
        """Ask one question and wait for the whole answer; tools run meanwhile.

        Text is sent as it is; a warning is logged if it names a sound file. Sound (a clip, the
        `Path` of a sound file, or a source) is converted to the session's input format and
        streamed at the pace of speech, until the server has heard its end; in manual mode it is
        sent as it is and committed. A source is read until it ends or the server has answered,
        and cannot be asked again.

        A client asks one question at a time, in order of arrival, and none while something
        else is being said. A question that is given up, by the deadline or Ctrl+C, is taken
        back as far as the server lets us. Beside `start()` it returns when the handlers have
        heard the end of the answer, or when its time is over and nothing else is missing.

        Args:
            prompt: the question.
            timeout: seconds for all of it, waiting for its turn too; None: no limit.

        Returns:
            The answer. Where the connection is lost and the client reconnects, a question of
            whose answer nothing had come is put again; otherwise the answer is ``incomplete``.

        Raises:
            DeadlineExceeded: the answer did not end; the sentence says what was missing.
            ServerError: the server refused the question.
            AudioError: the sound cannot be read or converted, or is nothing but silence.
            LocalProtocolError: the text is empty.
            ConnectionClosed: the session ended first.
            ConcurrencyError: called inside a handler, or a tool that this client's question has
                called; use `submit` there.
        """
        with self._exchange(prompt, timeout) as exchange:
            exchange.begin()
            return exchange.answer()

    def stream(self, prompt: Prompt, timeout: float | None = 60.0) -> AnswerStream:
        """Ask one question and take its answer in parts, as they come.

        ::

            for part in client.stream("Tell me a joke."):
                match part:
                    case parts.Text(text):
                        print(text, end="")
                    case parts.Audio(audio):
                        speaker.write(audio)

        It asks as `ask` does, waits for its turn, and returns once the question is put. The
        last part is the `Answer`, whole. Leaving the loop takes the question back.

        Args:
            prompt: the question.
            timeout: seconds to wait in all, without what happens between two parts; None: no
                limit.

        Returns:
            The parts, an iterator: `parts.Text`, `parts.Audio`, `parts.ToolStarted`,
            `parts.ToolEnded`, and last the `Answer`. Those of a spoken question wait until it
            has been said to its end: what the server answers before is no answer to it.

        Raises:
            GrokError: as `ask`, from here or from the iterator.
            ConcurrencyError: called inside a handler; use `submit` there. Or another stream of
                this thread is not over.
        """
        exchange = self._exchange(prompt, timeout, Parts())
        try:
            exchange.begin()
        except BaseException:
            exchange.end()
            raise
        return AnswerStream(exchange)

    def submit(self, prompt: Prompt, timeout: float | None = 60.0) -> Future[Answer]:
        """Ask without waiting, in a handler too: `ask` on a thread of its own.

        Returns:
            A future with the answer, or with what `ask` raises. `close` ends it.
        """
        self._lifecycle.open_connection()
        future: Future[Answer] = Future()
        future.set_running_or_notify_cancel()  # a question that is asked cannot be taken back

        def work() -> None:
            try:
                future.set_result(self.ask(prompt, timeout))
            except BaseException as error:  # noqa: BLE001 - it is the future's
                future.set_exception(error)

        self._questions.submit(work)
        return future

    @property
    def conversation(self) -> Conversation:
        """What was said so far, without the sound; before the handlers of an event hear it.

        It lives through reconnects. The oldest of a thousand turns are forgotten.
        """
        return self._conversation

    def seed(self, turns: Iterable[Turn]) -> None:
        """Tell a new session what was said before; nothing is answered, nothing is spoken.

        Each turn is a conversation item, a function call two of them: the call and its output.
        Turns without words, and calls without an output, are left out. Blocks as `send` does.

        Args:
            turns: a `Conversation`, or some turns of one.

        Raises:
            LocalProtocolError, SendQueueFull, ConnectionClosed: as `send`.
            TypeError: something else than turns.
        """
        turns = list(turns)
        for turn in turns:
            if not isinstance(turn, Turn):
                raise TypeError(
                    f"seed() takes the turns of a Conversation, and {turn!r:.60} is none"
                )
        told = [turn for turn in turns if turn.items()]
        self._lifecycle.open_connection()
        self._conversation.add(told)
        for item in itertools.chain.from_iterable(turn.items() for turn in told):
            self.send(events.ConversationItemCreate(item=item))

    def _exchange(
        self, prompt: Prompt, timeout: float | None, parts: Parts | None = None
    ) -> Exchange:
        patience = Patience(timeout)
        connection = self._lifecycle.open_connection()
        self._pump.refuse_in_handler("an answer")
        ask_id = connection.ledger.new_event_id()
        return Exchange(
            Question(self, self._put, self.config, prompt, ask_id, parts),
            parts,
            patience,
            lifecycle=self._lifecycle,
            pump=self._pump,
            questions=self._questions,
        )

    def _context_of(self, response_id: str | None) -> Context | None:
        return self._questions.context_of(response_id)

    def _put(self, ask_id: str, *question: events.ClientEvent) -> None:
        self._lifecycle.through(lambda connection: connection.ledger.ask(ask_id, *question))


def keeping(conversation: Conversation) -> Callable[[events.Event, float], None]:
    """What feeds a conversation, and never raises."""

    def keep(event: events.Event, came_at: float) -> None:
        try:
            conversation.feed(event, came_at)
        except Exception:  # a defect of ours, and no reason to stop hearing
            log.exception("the conversation did not take %s", event.type)

    return keep
