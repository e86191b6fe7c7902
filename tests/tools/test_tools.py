"""Tools: how they are declared, found and refused, and what becomes of a call."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

import attrs
import pytest

from grok_rt.errors import DeadlineExceeded, ToolError
from grok_rt.models import FunctionCall
from grok_rt.tools import (
    DEFAULT_TIMEOUT,
    RESERVED_NAMES,
    Outcome,
    Runner,
    Tool,
    ToolBox,
    cancelled,
    marked_tools,
    tool,
)

WAIT = 5.0  # no test waits that long unless it fails


def weather(city: str, unit: Literal["C", "F"] = "C") -> str:
    """Current weather for a city."""
    return f"3 {unit} in {city}"


def call(arguments: str = "{}", name: str = "weather") -> FunctionCall:
    """Call a function the way the model does."""
    return FunctionCall(call_id="call-1", name=name, arguments=arguments)


# -- declared ------------------------------------------------------------------------------------


def test_a_tool_reads_the_function() -> None:
    """Name, description and schema come from the function itself."""
    made = Tool.of(weather)
    assert (made.name, made.description, made.timeout) == (
        "weather",
        "Current weather for a city.",
        DEFAULT_TIMEOUT,
    )
    assert made.parameters["required"] == ["city"]
    assert made("Oslo") == "3 C in Oslo"
    definition = made.definition
    assert (definition.type, definition.name) == ("function", "weather")
    assert definition.parameters == made.parameters


def test_what_is_said_wins() -> None:
    """What is said at registration wins over the mark, and the mark over the function."""

    @tool(name="marked", description="Marked.", timeout=2)
    def function() -> None:
        """From the docstring."""

    assert [Tool.of(function).name, Tool.of(function, name="said").name] == ["marked", "said"]
    assert Tool.of(function, description="").description == ""
    assert (Tool.of(function).description, Tool.of(function).timeout) == ("Marked.", 2)


def test_decorators_leave_the_function_alone() -> None:
    """Bare or with arguments, a decorated function is still itself."""
    box = ToolBox()

    def one() -> int:
        return 1

    def two() -> int:
        return 2

    assert tool(one) is one
    assert tool(timeout=1)(one) is one
    assert box.tool(one) is one
    assert box.tool(name="zwei", timeout=3)(two) is two
    assert [(each.name, each.timeout) for each in box] == [("one", 1), ("zwei", 3)]


def test_a_box_is_a_collection_by_name() -> None:
    """A box is iterated in the order of registration, and can fill another."""
    box = ToolBox([weather, Tool.of(weather, name="again")])
    assert [each.name for each in box] == ["weather", "again"]
    assert [each.name for each in box.definitions] == ["weather", "again"]
    assert (len(box), "again" in box, "gone" in box) == (2, True, False)
    assert box["again"] is box.get("again")
    assert box.get("gone") is None
    assert list(ToolBox(box)) == list(box)
    assert repr(box) == "ToolBox(weather, again)"


async def asynchronous() -> None: ...


async def generated() -> Any:
    yield 1


class Waiter:
    """An object that is called, and answers later."""

    async def __call__(self) -> None: ...


def endless() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("register", "sentence"),
    [
        (lambda: ToolBox(weather), r"tools=\[weather\], not <function"),  # type: ignore[arg-type]
        (lambda: ToolBox([weather, weather]), "a tool named 'weather' already"),
        *((lambda name=name: Tool.of(weather, name=name), name) for name in sorted(RESERVED_NAMES)),
        (lambda: Tool.of(weather, name="two words"), "'two words' must be 1 to 64"),
        (lambda: Tool.of(weather, name=""), "'' must be 1 to 64"),
        (lambda: Tool.of(weather, name="a" * 65), "must be 1 to 64"),
        (lambda: Tool.of(weather, name="wetter\n"), "must be 1 to 64"),
        (lambda: Tool.of(lambda: 1), "'<lambda>' must be 1 to 64"),
        (lambda: Tool.of(weather, timeout=0), "positive number of seconds, not 0"),
        (lambda: Tool.of(weather, timeout=float("inf")), "not inf"),
        (lambda: Tool.of(weather, timeout=float("nan")), "not nan"),
        (lambda: Tool.of("weather"), "'weather' is not a function"),  # type: ignore[arg-type]
        (lambda: Tool.of(asynchronous), "'asynchronous' is async"),
        (lambda: Tool.of(generated), "'generated' is async"),
        (lambda: Tool.of(Waiter(), name="waiter"), "'waiter' is async"),
        (lambda: Tool.of(functools.partial(asynchronous), name="part"), "'part' is async"),
        (lambda: Tool.of(endless), "'endless' is a generator"),
        (lambda: Tool.of(weather, timeout="5"), "not '5'"),  # type: ignore[arg-type]
        (lambda: Tool.of(weather, timeout=True), "not True"),
        (lambda: Tool.of(weather, name=7), "7 must be 1 to 64"),  # type: ignore[arg-type]
    ],
)
def test_refused(register: Callable[[], object], sentence: str) -> None:
    """What the service would refuse, or could never call, is refused at registration."""
    with pytest.raises(ToolError, match=sentence):
        register()


def test_a_box_takes_tools_from_any_thread() -> None:
    """Of many threads that add a tool of one name, one succeeds; all others are told."""
    box, refused, start = ToolBox(), queue.Queue[ToolError](), threading.Barrier(8)

    def add() -> None:
        start.wait(WAIT)
        try:
            box.add(weather)
        except ToolError as error:
            refused.put(error)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert (len(box), refused.qsize()) == (1, 7)


def test_a_tool_can_be_taken_out() -> None:
    """What was taken out is gone, and its name is free."""
    box = ToolBox([weather])
    made = box.remove("weather")
    assert made is not None
    assert box.remove("weather") is None
    assert box.add(made) is made


def test_a_coroutine_is_no_result() -> None:
    """A plain function that returns a coroutine fails like one that raises, and says why."""
    made = Tool.of(lambda: asynchronous(), name="later")
    with pytest.raises(TypeError, match="'later' returned a coroutine"):
        made.answer("")


# -- on classes ----------------------------------------------------------------------------------


class Desk:
    """A desk with tools of each kind."""

    def __init__(self) -> None:
        self.booked: list[int] = []

    @tool
    def book(self, hour: int) -> str:
        """Book a visit."""
        self.booked.append(hour)
        return "booked"

    @tool(name="hours", timeout=1)
    @staticmethod
    def opening() -> str:
        """When we are open."""
        return "9 to 5"

    @classmethod
    @tool
    def kind(cls) -> str:
        """What this is."""
        return cls.__name__

    @tool
    def closed(self) -> None:
        """Taken away below."""

    def plain(self) -> None:
        """No tool."""


class FrontDesk(Desk):
    """Overrides, takes away and adds."""

    closed = None  # type: ignore[assignment]

    def book(self, hour: int, name: str = "you") -> str:
        """Book a visit for somebody."""
        return super().book(hour) + f" for {name}"

    @tool(name="open")
    def opening(self) -> str:  # type: ignore[override]
        """Whether we are open."""
        return "yes"

    @tool
    def call(self) -> None:
        """Call somebody."""


def test_marked_methods_are_bound() -> None:
    """Each object has the marked methods of its class as tools of its own."""
    one, other = Desk(), Desk()
    tools = {each.name: each for each in marked_tools(one)}
    assert list(tools) == ["book", "hours", "kind", "closed"]
    assert tools["book"].parameters["properties"] == {"hour": {"type": "integer"}}
    assert tools["book"].answer('{"hour": 9}') == "booked"
    assert (one.booked, other.booked) == ([9], [])
    assert (tools["hours"].answer(""), tools["hours"].timeout) == ("9 to 5", 1)
    assert tools["kind"].answer("") == "Desk"


def test_an_override_keeps_its_registration() -> None:
    """A subclass changes what a tool does, says and is called; None takes it away."""
    tools = {each.name: each for each in marked_tools(FrontDesk())}
    assert list(tools) == ["book", "open", "kind", "call"]
    assert tools["book"].answer('{"hour": 9, "name": "Lee"}') == "booked for Lee"
    assert tools["book"].description == "Book a visit for somebody."
    assert tools["open"].timeout == DEFAULT_TIMEOUT
    assert marked_tools(object()) == []


# -- run -----------------------------------------------------------------------------------------


@pytest.fixture
def runner() -> Iterator[Runner]:
    """A runner whose threads end soon."""
    made = Runner(2, idle=0.05)
    yield made
    assert made.close(WAIT)


def run(
    runner: Runner, function: Callable[..., Any], arguments: str = "{}", **options: Any
) -> Outcome:
    """Run one call and wait for its outcome."""
    outcomes: queue.Queue[Outcome] = queue.Queue()
    runner.submit(Tool.of(function, name="f", **options), call(arguments, "f"), outcomes.put)
    return outcomes.get(timeout=WAIT)


class Sign(str, enum.Enum):
    PLUS = "+"


@attrs.define
class Sky:
    clear: bool


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ("as it is", "as it is"),
        ("", ""),
        ("\ud800!", "?!"),
        (0, "0"),
        (False, "false"),
        (None, "null"),
        ([], "[]"),
        ({"a": 1.5}, '{"a":1.5}'),
        (Sign.PLUS, '"+"'),
        (Sky(clear=True), '{"clear":true}'),
        (dt.date(2026, 1, 2), '"2026-01-02"'),
    ],
)
def test_results(runner: Runner, result: Any, output: str) -> None:
    """A string is handed on as it is, all else as JSON; what is empty or false is a result too."""
    assert run(runner, lambda: result) == Outcome(call(name="f"), output)


def test_wrong_arguments_never_reach_the_function(runner: Runner) -> None:
    """The model is told what was wrong; the function is not called, and nobody is alarmed."""
    called = threading.Event()

    def function(city: str) -> None:
        called.set()

    outcome = run(runner, function, '{"city": 1}')
    assert outcome.output.startswith("The argument 'city' is wrong: Expected `str`, got `int`")
    assert (outcome.error, called.is_set()) == (None, False)


def raising(error: BaseException) -> Callable[[], None]:
    """Make a function that raises."""

    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "output", "heard"),
    [
        (ToolError("No such city; ask again."), "No such city; ask again.", False),
        (ToolError(), "The tool failed.", True),
        (ValueError("password=hunter2"), "The tool failed.", True),
        (DeadlineExceeded("inside"), "The tool failed.", True),
        (SystemExit(3), "The tool failed.", True),
    ],
)
def test_exceptions(runner: Runner, error: BaseException, output: str, heard: bool) -> None:
    """A ToolError speaks to the model; of anything else only the program hears, in full."""
    outcome = run(runner, raising(error))
    assert (outcome.output, outcome.error) == (output, error if heard else None)


def test_a_result_that_is_no_json_is_a_failure(runner: Runner) -> None:
    """An object without a JSON form is the program's mistake, and it hears so."""
    outcome = run(runner, lambda: object())
    assert outcome.output == "The tool failed."
    assert isinstance(outcome.error, TypeError)


def test_too_late(runner: Runner) -> None:
    """Past its timeout the model is told so, the program too, by name; the tool sees it."""
    seen = threading.Event()

    def slow() -> None:
        cancelled().wait(WAIT)
        seen.set()

    outcome = run(runner, slow, timeout=0.02)
    assert outcome.output == "The tool gave no answer within 0.02 s."
    assert isinstance(outcome.error, DeadlineExceeded)
    assert str(outcome.error) == "tool 'f': no answer within 0.02 s"
    assert seen.wait(WAIT)


def test_interrupted_and_closed() -> None:
    """An interruption asks the tool to stop, and its answer counts; closing answers for it."""
    runner, outcomes, begun = Runner(), queue.Queue[Outcome](), threading.Event()

    def patient() -> bool:
        begun.set()
        return cancelled().wait(WAIT)

    runner.submit(Tool.of(patient), call(), outcomes.put)
    assert begun.wait(WAIT)
    runner.cancel([call().call_id])
    assert outcomes.get(timeout=WAIT).output == "true"
    begun.clear()
    runner.submit(Tool.of(patient), call(), outcomes.put)
    assert begun.wait(WAIT)
    assert runner.close(WAIT)
    runner.submit(Tool.of(patient), call(), outcomes.put)
    assert [outcomes.get_nowait() for _ in range(2)] == [
        Outcome(call(), "The tool was cancelled.")
    ] * 2
