"""The meter, its prices, and the budget that ends the call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import attrs
import pytest
from callers import until
from flows import ev, function_call
from hypothesis import given
from hypothesis import strategies as st
from scripted import SOON

from grok_rt import (
    PCMU,
    AudioFormat,
    Budget,
    BudgetExceeded,
    ConfigError,
    ConversationItem,
    GrokClient,
    Reconnect,
    SessionConfig,
    TurnDetection,
    events,
)
from grok_rt.audio import OPUS
from grok_rt.models import AudioChannelConfig, AudioConfig, ContentPart, SessionUpdatePayload
from grok_rt.simulator import Script, Simulator, loopback
from grok_rt.usage import PRICES, Meter, Prices, Reading

FAST_1 = "grok-voice-think-fast-1.0"
FAST_2 = "grok-voice-think-fast-2.0"
VAD = SessionConfig.wideband()
MANUAL = VAD.with_turn_detection(None)
SECOND = VAD.input_audio_format.bytes_per_second


class Bench:
    """A meter, a clock that stands still, and a server that says what it is told to."""

    def __init__(
        self,
        config: SessionConfig = VAD,
        model: str | None = FAST_2,
        budget: Budget | None = None,
        *,
        resumes: str | None = None,
        conversation: str = "conv_1",
    ) -> None:
        self.now = 100.0
        self.meter = Meter(budget, resumes=resumes, clock=lambda: self.now)
        self.config = config
        self.connect(conversation, model)

    def connect(self, conversation: str = "conv_1", model: str | None = FAST_2) -> None:
        model_told = {} if model is None else {"model": model}
        self.hears(ev("session.created", session={"id": "s", **model_told}))
        self.hears(ev("conversation.created", conversation={"id": conversation}))
        self.meter.sent(events.SessionUpdate(session=self.config.to_update_payload()))

    def hears(self, *heard: events.Event) -> None:
        for event in heard:
            if isinstance(event, events.AudioDelta):
                self.meter.heard(event)
            else:
                self.meter.received(event, self.now)

    def answer(self, billable: float | None = None, **usage: Any) -> None:
        """Let a response end."""
        told = {} if billable is None else {"billable_audio_seconds": billable}
        body = {"id": "r", "status": "completed", "usage": {}}
        self.hears(ev("response.done", response=body, response_id="r", usage={**usage, **told}))

    def passes(self, seconds: float) -> Bench:
        self.now += seconds
        return self

    @property
    def seconds(self) -> float:
        return self.meter.read().minutes * 60


def sound(seconds: float, size: int | None = None, **more: Any) -> events.Event:
    pcm = bytes(int(seconds * SECOND) if size is None else size)
    return events.ResponseOutputAudioDelta(audio=pcm, **more)


def test_a_session_that_detects_turns_costs_its_minutes() -> None:
    """With server VAD the clock counts, from the server's first word until the line is gone."""
    bench = Bench()
    assert bench.passes(90).seconds == pytest.approx(90)
    assert bench.meter.read().usd == pytest.approx(1.5 * 0.08)
    bench.meter.hung_up(bench.now)
    assert bench.passes(600).seconds == pytest.approx(90)


def test_push_to_talk_costs_its_sound() -> None:
    """In manual mode seconds of sound count, both ways, however long the session lasts."""
    bench = Bench(MANUAL)
    bench.passes(600).meter.said(3 * SECOND)
    bench.hears(sound(1.5))
    assert bench.seconds == pytest.approx(4.5)
    reading = bench.meter.read()
    assert (reading.audio_in, reading.audio_out) == pytest.approx((3.0, 1.5))


def test_a_change_of_mode_counts_from_there() -> None:
    """What was counted in one mode stays, when another is chosen."""
    bench = Bench()
    bench.passes(30).meter.sent(events.SessionUpdate(session=MANUAL.to_update_payload()))
    bench.passes(600).meter.said(2 * SECOND)
    assert bench.seconds == pytest.approx(32)


def test_an_update_of_something_else_changes_nothing() -> None:
    """An update that names neither mode nor format leaves both, and one way's leaves the other."""
    bench = Bench()
    bench.meter.sent(events.SessionUpdate(session=SessionUpdatePayload(instructions="Be brief.")))
    only_in = AudioConfig(input=AudioChannelConfig(format=PCMU))
    bench.meter.sent(events.SessionUpdate(session=SessionUpdatePayload(audio=only_in)))
    bench.hears(sound(1.0))
    assert bench.passes(60).seconds == pytest.approx(60)
    assert bench.meter.read().audio_out == pytest.approx(1.0)


def test_what_the_service_counts_is_a_running_total() -> None:
    """`billable_audio_seconds` replaces what we counted, is not added up, and we go on from it."""
    bench = Bench()
    bench.passes(10).answer(20)
    assert bench.seconds == pytest.approx(20)
    bench.passes(5).answer(26)
    assert bench.passes(4).seconds == pytest.approx(30)
    bench.answer()  # it does not always tell
    assert bench.seconds == pytest.approx(30)


def test_whole_seconds_do_not_turn_the_meter_back() -> None:
    """The service tells whole seconds: what we know more exactly is not forgotten for it."""
    bench = Bench()
    bench.passes(10.9).answer(10)
    assert bench.seconds == pytest.approx(10.9)
    bench.passes(10).answer(15)
    assert bench.seconds == pytest.approx(15)


def test_a_resumed_conversation_goes_on_counting() -> None:
    """Over a lost line the service's total goes on; with another conversation it restarts."""
    bench = Bench()
    bench.passes(10).answer(10)
    bench.meter.hung_up(bench.now)
    bench.passes(60).connect("conv_1")
    bench.passes(5).answer(15)
    assert bench.seconds == pytest.approx(15)
    bench.meter.hung_up(bench.now)
    bench.passes(60).connect("conv_2")
    bench.passes(7).answer(7)
    assert bench.seconds == pytest.approx(22)


def test_what_an_earlier_client_has_used_is_not_ours() -> None:
    """A client that resumes a conversation counts what is added; if it is forgotten, all of it."""
    bench = Bench(resumes="conv_1")
    bench.passes(10).answer(3010)
    assert bench.seconds == pytest.approx(10)
    bench.passes(20).answer(3030)
    assert bench.seconds == pytest.approx(30)
    forgotten = Bench(resumes="conv_0")
    forgotten.passes(10).answer(40)
    assert forgotten.seconds == pytest.approx(40)


def test_tokens_add_up() -> None:
    """Each response's tokens count; usage that says nothing counts nothing."""
    bench = Bench()
    bench.answer(input_tokens=5, output_tokens=70)
    bench.answer(output_tokens=30)
    bench.answer()
    reading = bench.meter.read()
    assert (reading.input_tokens, reading.output_tokens, reading.tokens) == (5, 100, 105)


AUDIO_ITEM = ConversationItem(
    type="message", role="user", content=(ContentPart(type="input_audio", audio="AAAA"),)
)


@pytest.mark.parametrize(
    ("item", "counts"),
    [
        (ConversationItem.user_text("Hello."), 1),
        (ConversationItem.force_message("Welcome."), 1),
        (ConversationItem.function_call("f", "{}", call_id="c"), 1),
        (ConversationItem.function_call_output("c", "7"), 0),
        (AUDIO_ITEM, 0),
    ],
)
def test_text_items_cost(item: ConversationItem, counts: int) -> None:
    """Every item that is created costs, but for function results and sound."""
    bench = Bench()
    bench.meter.sent(events.ConversationItemCreate(item=item))
    bench.meter.sent(events.ResponseCreate())
    reading = bench.meter.read()
    assert reading.text_items == counts
    assert reading.usd == pytest.approx(counts * 0.004)


MESSAGE = {"type": "message", "id": "i"}


def test_each_call_counts_once() -> None:
    """A call comes as an event, as an item, or as both; the server's searches are told apart."""
    bench = Bench()
    bench.hears(*function_call("r", "a"), *function_call("r", "b"))
    search = {"type": "function_call", "call_id": "s", "name": "x_keyword_search", "id": "i"}
    bench.hears(ev("response.output_item.done", response_id="r", output_index=0, item=search))
    bench.hears(ev("response.mcp_call.completed", item_id="m", output_index=0))
    bench.hears(ev("response.output_item.done", response_id="r", output_index=0, item=MESSAGE))
    reading = bench.meter.read()
    assert (reading.tool_calls, reading.server_tool_calls) == (2, 2)


def test_prices_can_be_replaced() -> None:
    """Another table reckons what was counted before, too."""
    bench = Bench(model=FAST_1)
    bench.passes(60).hears(ev("response.mcp_call.completed", item_id="m", output_index=0))
    assert bench.meter.read().usd == pytest.approx(0.05)
    bench.meter.prices = Prices(
        as_of=date(2027, 1, 1), per_minute={FAST_1: 2.0}, per_server_tool_call=0.5
    )
    assert bench.meter.read().usd == pytest.approx(2.5)


def test_the_model_is_the_one_that_was_resolved() -> None:
    """`session.created` says which; an update only echoes what was asked for, if nobody said."""
    echo = ev("session.updated", session={"model": FAST_1})
    told, silent = Bench(), Bench(model=None)
    for bench in (told, silent):
        bench.hears(echo)
        bench.passes(60)
    assert told.meter.read().usd == pytest.approx(0.08)
    assert silent.meter.read().usd == pytest.approx(0.05)


@pytest.mark.parametrize("model", [None, "grok-voice-think-fast-3.0", "grok-voice-latest"])
def test_an_unknown_model_costs_as_much_as_the_dearest(model: str | None) -> None:
    """A budget holds for models that came after the table."""
    assert Bench(model=model).passes(60).meter.read().usd == pytest.approx(0.08)
    assert Prices(as_of=PRICES.as_of, per_minute={}).minute_of(model) == 0


@pytest.mark.parametrize(
    ("form", "size", "seconds"),
    [(PCMU, 8000, 1.0), (AudioFormat("audio/pcm", 16000), 16000, 0.5), (OPUS, 77, 0.02)],
)
def test_sound_is_measured_in_the_sessions_format(
    form: AudioFormat, size: int, seconds: float
) -> None:
    """Seconds, whatever a second weighs; a packet of Opus counts 20 ms, or what it is said to."""
    config = attrs.evolve(VAD, input_audio_format=form, output_audio_format=form)
    bench = Bench(config)
    bench.meter.sent(events.InputAudioBufferAppend(audio=bytes(size)))
    bench.hears(sound(0, size))
    assert bench.meter.read().audio_in == pytest.approx(seconds)
    assert bench.meter.read().audio_out == pytest.approx(seconds)
    if form is OPUS:
        bench.hears(sound(0, size, audio_duration_ms=60))
        assert bench.meter.read().audio_out == pytest.approx(seconds + 0.06)


def test_a_reading_in_words() -> None:
    """A reading can be printed; a meter shows what it reads."""
    assert str(Reading(usd=0.1, minutes=1.25, input_tokens=3)) == "$0.100: 1.25 minutes, 3 tokens"
    assert repr(Meter()) == "<Meter $0.000: 0.00 minutes, 0 tokens>"


# --- the budget ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (Budget, "given a limit"),
        (lambda: Budget(usd=0), "Budget.usd must be None, or a number above 0, not 0"),
        (lambda: Budget(minutes=-1), "Budget.minutes"),
        (lambda: Budget(tokens="5"), "Budget.tokens"),  # type: ignore[arg-type]
        (lambda: Budget(usd=True), "Budget.usd"),
        (lambda: Budget(usd=1, warn_at=1), "Budget.warn_at"),
        (lambda: GrokClient("k", budget=0.5), "Budget\\(usd=0.50\\)"),  # type: ignore[arg-type]
    ],
)
def test_a_budget_that_is_none(make: Callable[[], object], sentence: str) -> None:
    """A limit that makes no sense is refused where it is given."""
    with pytest.raises(ConfigError, match=sentence):
        make()


def test_low_then_spent_each_once() -> None:
    """At its share a limit is told to be low, at its end to be spent, and then no more."""
    bench = Bench(budget=Budget(tokens=100, usd=1e6))
    bench.answer(input_tokens=79)
    assert bench.meter.check(bench.now) == []
    bench.answer(input_tokens=1)
    (low,) = bench.meter.check(bench.now)
    assert low == events.BudgetLow(of="tokens", spent=80, limit=100)
    assert low.message == "the budget is low: 80 of 100 tokens are spent"
    assert bench.meter.check(bench.now) == []
    bench.answer(input_tokens=40)
    (spent,) = bench.meter.check(bench.now)
    assert spent == events.BudgetSpent(of="tokens", spent=120, limit=100)
    assert spent.message == "the budget is spent: 120 of 100 tokens"
    assert (bench.meter.check(bench.now), bench.meter.next_check()) == ([], None)


def test_without_a_share_nobody_is_warned() -> None:
    """`warn_at=None` leaves the end."""
    bench = Bench(budget=Budget(minutes=1, warn_at=None))
    assert bench.meter.check(bench.passes(59).now) == []
    assert [type(each) for each in bench.meter.check(bench.passes(1).now)] == [events.BudgetSpent]


@given(
    st.sampled_from(["usd", "minutes"]),
    st.floats(0.001, 100),
    st.floats(0.01, 0.99),
    st.integers(0, 20),
)
def test_the_clock_is_told_when_to_look(of: str, limit: float, share: float, items: int) -> None:
    """At `next_check` there is something to tell, and before it there is not."""
    bench = Bench(budget=Budget(**{of: limit}, warn_at=share))  # type: ignore[arg-type]
    for _ in range(items):
        bench.meter.sent(events.ConversationItemCreate(item=ConversationItem.user_text("x")))
    for _ in range(2):
        at = bench.meter.next_check()
        if at is None:
            break
        if at > bench.now + 0.01:
            assert bench.meter.check(at - 0.005) == []
        bench.now = max(at, bench.now) + 1e-4
        assert bench.meter.check(bench.now)
    assert bench.meter.next_check() is None


def test_without_a_line_or_a_clock_there_is_nothing_to_look_at() -> None:
    """In manual mode, and while there is no line, time alone costs nothing."""
    assert Bench(MANUAL, budget=Budget(minutes=1)).meter.next_check() is None
    assert Bench(budget=Budget(tokens=10)).meter.next_check() is None
    assert Bench().meter.next_check() is None
    assert Meter(Budget(minutes=1)).next_check() is None
    free = Bench(budget=Budget(usd=1))
    free.meter.prices = Prices(as_of=PRICES.as_of, per_minute={})
    assert free.meter.next_check() is None


# --- a client --------------------------------------------------------------------------------


def test_a_client_counts_what_it_uses() -> None:
    """A question in text, one in sound and a tool's call are on the meter, after the end too."""
    script = Script().calls("weather", city="Oslo").says("Sleet.")
    with GrokClient("k", transport=loopback(script, instant=True), config=MANUAL) as grok:

        @grok.tool
        def weather(city: str) -> str:
            """Weather."""
            return city

        answer = grok.ask("How warm is it?", timeout=SOON)
        grok.send_audio(bytes(SECOND // 2))
        grok.send_audio(bytes(SECOND // 2), drop_oldest=True)
    reading = grok.meter.read()
    assert (reading.text_items, reading.tool_calls) == (1, 1)
    assert answer.usage is not None
    assert reading.tokens == answer.usage.total_tokens
    assert reading.audio_in == pytest.approx(1.0)
    assert reading.audio_out == pytest.approx(answer.audio.duration)
    assert reading.usd > 0.004


def test_a_budget_of_money_ends_the_call() -> None:
    """What costs too much is the last: its event comes, and every later call raises its error."""
    heard: list[events.Event] = []
    failures: list[events.Failure] = []
    budget = Budget(usd=0.009)
    with GrokClient("k", transport=loopback(instant=True), config=MANUAL, budget=budget) as grok:
        grok.on(events.LocalEvent)(heard.append)
        grok.on_error(failures.append)
        for _ in range(2):
            grok.send_user_text("Hello.")
        grok.wait_for(events.BudgetLow, timeout=SOON)
        grok.send_user_text("One too many.")
        with pytest.raises(BudgetExceeded, match=r"spent: 0\.012 of 0\.009 USD"):
            grok.run()
        for verb in (lambda: grok.send_user_text("?"), lambda: grok.ask("?", timeout=SOON)):
            with pytest.raises(BudgetExceeded):
                verb()
    ends = [type(event) for event in heard][-3:]
    assert ends == [events.BudgetSpent, events.ConnectionLost, events.Closed]
    assert [failure.message for failure in failures] == ["the budget is spent: 0.012 of 0.009 USD"]


def test_a_budget_of_minutes_needs_no_pump_and_no_event() -> None:
    """Time runs out though nobody pumps and nothing is said; the client does not reconnect."""
    budget, always = Budget(minutes=0.01), Reconnect(causes={1000})
    with (
        Simulator() as server,
        GrokClient("k", url=server.url, budget=budget, reconnect=always) as grok,
    ):
        until(lambda: grok.state == "closed")
        with pytest.raises(BudgetExceeded):
            grok.run()
        assert 0.01 <= grok.meter.read().minutes < 0.1


def test_a_budget_of_tokens_ends_a_started_client() -> None:
    """Beside `start()` a question that runs into the limit raises, and `on_close` hears why."""
    with Simulator() as server:
        grok = GrokClient("k", url=server.url, budget=Budget(tokens=10, warn_at=None)).start()
        try:
            with grok.expect(events.Closed, timeout=SOON) as closed:
                assert grok.ask("Hello.", timeout=SOON).text
                until(lambda: grok.state == "closed")
            with pytest.raises(BudgetExceeded):
                grok.ask("Hello.", timeout=SOON)
        finally:
            grok.close()
    assert isinstance(closed.event, events.Closed)
    assert isinstance(closed.event.error, BudgetExceeded)


def test_turn_detection_that_is_off_is_manual() -> None:
    """Both ways to say manual mode count sound."""
    off = VAD.with_turn_detection(TurnDetection.manual())
    assert Bench(off).passes(60).seconds == 0
