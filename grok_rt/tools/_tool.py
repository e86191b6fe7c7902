"""`Tool`, `ToolBox` and the mark: functions as the model sees them, and how they are found.

No thread runs here but the caller's: who registers, and who runs a call.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

import attrs
import msgspec

from grok_rt._numbers import is_number
from grok_rt.errors import ToolError
from grok_rt.models import GrokToolDefinition
from grok_rt.models.tools import RESERVED_NAMES
from grok_rt.tools._schema import NOTHING_KNOWN, Signature, describe
from grok_rt.tools._scope import local_names

__all__ = [
    "DEFAULT_TIMEOUT",
    "RESERVED_NAMES",
    "Tool",
    "ToolBox",
    "as_text",
    "marked_tools",
    "tool",
]

DEFAULT_TIMEOUT = 30.0
"""Seconds a tool has to answer, unless it says otherwise."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MARK = "_grok_rt_tool"
_F = TypeVar("_F", bound=Callable[..., Any])


@attrs.frozen
class _Options:
    """What the decorator was told; None leaves it to the function or to the default.

    `known` are the local names that the annotations mention: they are gone when a method of a
    class that a function defines becomes a tool.
    """

    name: str | None = None
    description: str | None = None
    timeout: float | None = None
    known: Mapping[str, Any] = NOTHING_KNOWN

    def over(self, other: _Options) -> _Options:
        return _Options(
            name=other.name if self.name is None else self.name,
            description=other.description if self.description is None else self.description,
            timeout=other.timeout if self.timeout is None else self.timeout,
            known=self.known or other.known,
        )


@attrs.frozen(eq=False)
class Tool:
    """A function as the model sees it.

    Attributes:
        name: what the model calls it by; the function's name unless said.
        description: when to use it; the docstring's summary unless said.
        function: what runs; calling the tool calls it.
        timeout: seconds from the model's call to the answer, waiting for a free thread included.
    """

    name: str
    description: str
    function: Callable[..., Any] = attrs.field(repr=False)
    timeout: float = DEFAULT_TIMEOUT
    _signature: Signature = attrs.field(repr=False, kw_only=True, alias="signature")

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
    ) -> Tool:
        """Make a tool of a function, reading what is not said from the function itself.

        Raises:
            ToolError: the service would refuse it, or it cannot be called with JSON.
        """
        return cls._of(function, _Options(name, description, timeout))

    @classmethod
    def _of(cls, function: Callable[..., Any], said: _Options) -> Tool:
        options = said.over(_options_of(function) or _Options())
        called: str = getattr(function, "__name__", "") if options.name is None else options.name
        seconds = DEFAULT_TIMEOUT if options.timeout is None else options.timeout
        _check(function, called, seconds)
        text = describe(function)
        return cls(
            name=called,
            description=text.summary if options.description is None else options.description,
            function=function,
            timeout=seconds,
            signature=Signature.of(function, called, text.parameters, options.known),
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON Schema of the arguments, always of type ``object``."""
        return self._signature.schema

    @property
    def definition(self) -> GrokToolDefinition:
        """What the session's config tells the service."""
        return GrokToolDefinition.function(self.name, self.description, self.parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, as if it were no tool."""
        return self.function(*args, **kwargs)

    def answer(self, arguments: str) -> str:
        """Call the function with a model's JSON `arguments`; return what the model gets to read.

        A string is handed on as it is, everything else as JSON. Blocks while the function runs.

        Raises:
            ToolError: wrong arguments; the text is for the model, the function was not called.
            TypeError: the result cannot be JSON.
            Exception: whatever the function raises.
        """
        args, kwargs = self._signature.bind(arguments)
        result = self.function(*args, **kwargs)
        if inspect.iscoroutine(result):
            result.close()  # or Python would complain that nobody awaits it
            raise TypeError(f"tool {self.name!r} returned a coroutine, and nobody awaits it here")
        return as_text(result)


class ToolBox:
    """Tools by name, in the order they were added; several clients may share one.

    ::

        box = ToolBox()

        @box.tool(timeout=5)
        def weather(city: str) -> str:
            "Current weather for a city."

        grok = GrokClient(tools=box)

    Any thread may add to it at any time. A client looks into its box whenever it configures its
    session: what is added later is declared at the next connect or `update_session`.
    """

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._lock = threading.Lock()
        if callable(tools) or isinstance(tools, str):  # type: ignore[unreachable]
            raise ToolError(f"tools are a list, as in tools=[weather], not {tools!r}")
        for each in tools:
            self.add(each)

    @overload
    def tool(self, function: _F, /) -> _F: ...
    @overload
    def tool(
        self,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
    ) -> Callable[[_F], _F]: ...
    def tool(
        self,
        function: _F | None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
    ) -> _F | Callable[[_F], _F]:
        """Register a function; a decorator, with or without arguments. The function stays as it is.

        Raises:
            ToolError: see `add`.
        """

        def register(function: _F) -> _F:
            self.add(Tool.of(function, name=name, description=description, timeout=timeout))
            return function

        return register if function is None else register(function)

    def add(self, function: Tool | Callable[..., Any]) -> Tool:
        """Register a tool or a function.

        Raises:
            ToolError: the name is taken, or the function cannot be a tool.
        """
        made = function if isinstance(function, Tool) else Tool.of(function)
        with self._lock:
            if made.name in self._tools:
                msg = f"there is a tool named {made.name!r} already"
                raise ToolError(msg)
            self._tools[made.name] = made
        return made

    def remove(self, name: str) -> Tool | None:
        """Take a tool out, and return it; None if there is none of that name."""
        with self._lock:
            return self._tools.pop(name, None)

    def get(self, name: str) -> Tool | None:
        """The tool of that name, or None."""
        return self._tools.get(name)

    @property
    def definitions(self) -> list[GrokToolDefinition]:
        """What the session's config tells the service about them."""
        return [each.definition for each in self]

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool]:
        with self._lock:
            return iter(list(self._tools.values()))

    def __len__(self) -> int:
        return len(self._tools)

    def __repr__(self) -> str:
        return f"ToolBox({', '.join(self._tools)})"


@overload
def tool(function: _F, /) -> _F: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, timeout: float | None = None
) -> Callable[[_F], _F]: ...
def tool(
    function: _F | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
) -> _F | Callable[[_F], _F]:
    """Mark a function or a method as a tool; with or without arguments.

    A marked method becomes a tool of each object of its class (`marked_tools`); an override keeps
    the mark. A marked function becomes one when it is added to a client or to a `ToolBox`.
    Nothing is checked before that.

    The model calls it by `name`, by default the function's, and decides by `description`, by
    default the docstring's summary. After `timeout` seconds, by default 30, it is told that the
    tool took too long.
    """

    def mark(function: _F) -> _F:
        plain = getattr(function, "__func__", function)
        known = local_names(plain) if inspect.isfunction(plain) else NOTHING_KNOWN
        setattr(function, _MARK, _Options(name, description, timeout, known))
        return function

    return mark if function is None else mark(function)


def marked_tools(owner: object) -> list[Tool]:
    """The tools among an object's methods, bound to it, base classes first.

    Raises:
        ToolError: one of them cannot be a tool.
    """
    marks: dict[str, _Options] = {}
    for cls in reversed(type(owner).__mro__):
        for name, attribute in vars(cls).items():
            options = _options_of(attribute)
            if options is not None:
                marks[name] = options
    tools = []
    for name, options in marks.items():
        method = getattr(owner, name)
        if method is not None:  # a subclass takes a tool away by `name = None`
            tools.append(Tool._of(method, options))  # noqa: SLF001
    return tools


def _options_of(attribute: object) -> _Options | None:
    """The mark on a function, also under `staticmethod` and `classmethod`."""
    for each in (attribute, getattr(attribute, "__func__", None)):
        options = getattr(each, "__dict__", {}).get(_MARK)
        if isinstance(options, _Options):
            return options
    return None


def _check(function: object, name: object, timeout: object) -> None:
    if not callable(function):
        msg = f"{function!r} is not a function"
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        msg = f"tool name {name!r} must be 1 to 64 of a-z, A-Z, 0-9, _ and -; say name=…"
    elif name in RESERVED_NAMES:
        msg = f"tool name {name!r} is what the service calls a tool of its own; choose another"
    elif not (is_number(timeout) and 0 < timeout <= threading.TIMEOUT_MAX):
        msg = f"tool {name!r}: timeout must be a positive number of seconds, not {timeout!r}"
    elif _is(function, inspect.iscoroutinefunction, inspect.isasyncgenfunction):
        msg = f"tool {name!r} is async; tools run in threads, write a plain function"
    elif _is(function, inspect.isgeneratorfunction):
        msg = f"tool {name!r} is a generator; a tool answers once, return a list"
    else:
        return
    raise ToolError(msg)


def _is(function: object, *kinds: Callable[[object], bool]) -> bool:
    """Whether it, or what calling the object runs, is a function of one of these kinds."""
    called = getattr(type(function), "__call__", None)  # noqa: B004  (what it runs, not whether)
    return any(kind(each) for kind in kinds for each in (function, called))


def as_text(result: object) -> str:
    """A tool's result as the model reads it: text as it is, everything else as JSON.

    Raises:
        TypeError, ValueError, OverflowError: it cannot be JSON.
    """
    # A lone surrogate could not be sent; msgspec writes an Enum as its value, also a str one.
    if type(result) is str:
        return result.encode("utf-8", "replace").decode()
    return msgspec.json.encode(result).decode()
