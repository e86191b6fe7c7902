"""Tools that a session declares: functions of the client's, and those the server runs itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from grok_rt._unset import UNSET, Unset
from grok_rt.errors import ConfigError
from grok_rt.models import _limits
from grok_rt.models._wire import Maybe, Wire

__all__ = ["RESERVED_NAMES", "GrokToolDefinition", "ToolDefinition"]

RESERVED_NAMES = frozenset(
    {
        "collections_search",
        "file_search",
        "mcp",
        "web_search",
        "x_keyword_search",
        "x_search",
        "x_semantic_search",
    }
)
"""What the service calls its own tools, and what their calls are named when they leak as calls of
functions: a function of that name could not be told from them."""


@attrs.frozen
class ToolDefinition:
    """A function as any agent framework describes it."""

    name: str
    description: str | None
    parameters_json_schema: Mapping[str, Any]


@attrs.frozen
class GrokToolDefinition(Wire):
    """A tool of the session; use the constructors, which know the service's limits.

    Functions are called by the server and answered by the client. All other tools run on the
    server; searches then leak as calls of functions that were never declared.

    Attributes:
        type: ``function``, ``web_search``, ``x_search``, ``file_search``, ``mcp`` …
        name: of a function.
        parameters: of a function, a JSON Schema.
        nested: whether a function stands inside a ``function`` object on the wire. Both forms
            are accepted; the server's echo is always nested.
    """

    type: str
    name: Maybe[str] = UNSET
    description: Maybe[str] = UNSET
    parameters: Maybe[Mapping[str, Any]] = attrs.field(default=UNSET, hash=False)
    allowed_domains: Maybe[tuple[str, ...]] = UNSET
    excluded_domains: Maybe[tuple[str, ...]] = UNSET
    location: Maybe[Mapping[str, Any]] = attrs.field(default=UNSET, hash=False)
    allowed_x_handles: Maybe[tuple[str, ...]] = UNSET
    excluded_x_handles: Maybe[tuple[str, ...]] = UNSET
    from_date: Maybe[str] = UNSET
    to_date: Maybe[str] = UNSET
    enable_image_understanding: Maybe[bool] = UNSET
    enable_video_understanding: Maybe[bool] = UNSET
    vector_store_ids: Maybe[tuple[str, ...]] = UNSET
    max_num_results: Maybe[int] = UNSET
    server_url: Maybe[str] = UNSET
    server_label: Maybe[str] = UNSET
    server_description: Maybe[str] = UNSET
    allowed_tools: Maybe[tuple[str, ...]] = UNSET
    authorization: Maybe[str] = attrs.field(default=UNSET, repr=False)
    headers: Maybe[Mapping[str, str]] = attrs.field(default=UNSET, repr=False, hash=False)
    nested: bool = attrs.field(default=False, kw_only=True, metadata={"wire": ""})

    @classmethod
    def function(
        cls, name: str, description: str, parameters: Mapping[str, Any]
    ) -> GrokToolDefinition:
        """A function of the client's; `parameters` is a JSON Schema of type object."""
        return cls("function", name, description, parameters).checked("tool")

    @classmethod
    def from_tool(cls, tool: ToolDefinition) -> GrokToolDefinition:
        """The same function in the words of this service."""
        description = UNSET if tool.description is None else tool.description
        return cls("function", tool.name, description, tool.parameters_json_schema).checked("tool")

    @classmethod
    def web_search(
        cls,
        *,
        allowed_domains: Sequence[str] | Unset = UNSET,
        excluded_domains: Sequence[str] | Unset = UNSET,
        location: Mapping[str, Any] | Unset = UNSET,
        enable_image_understanding: bool | Unset = UNSET,
    ) -> GrokToolDefinition:
        """Search of the web, by the server.

        Args:
            allowed_domains: search only these, at most 5; excludes `excluded_domains`.
            excluded_domains: never these, at most 5.
            location: where the user is: ``country``, ``city``, ``region``, ``timezone``.
            enable_image_understanding: let it look at pictures.

        Raises:
            ConfigError: a limit is exceeded, or both lists are given.
        """
        return cls(
            "web_search",
            allowed_domains=_tuple("allowed_domains", allowed_domains),
            excluded_domains=_tuple("excluded_domains", excluded_domains),
            location=location,
            enable_image_understanding=enable_image_understanding,
        ).checked("web_search")

    @classmethod
    def x_search(
        cls,
        *,
        allowed_x_handles: Sequence[str] | Unset = UNSET,
        excluded_x_handles: Sequence[str] | Unset = UNSET,
        from_date: str | Unset = UNSET,
        to_date: str | Unset = UNSET,
        enable_image_understanding: bool | Unset = UNSET,
        enable_video_understanding: bool | Unset = UNSET,
    ) -> GrokToolDefinition:
        """Search of X, by the server.

        Args:
            allowed_x_handles: search only these, at most 20; excludes `excluded_x_handles`.
            excluded_x_handles: never these, at most 20.
            from_date: the first day, as YYYY-MM-DD.
            to_date: the last day.
            enable_image_understanding: let it look at pictures.
            enable_video_understanding: let it watch videos.

        Raises:
            ConfigError: a limit is exceeded, a day is none, or both lists are given.
        """
        return cls(
            "x_search",
            allowed_x_handles=_tuple("allowed_x_handles", allowed_x_handles),
            excluded_x_handles=_tuple("excluded_x_handles", excluded_x_handles),
            from_date=from_date,
            to_date=to_date,
            enable_image_understanding=enable_image_understanding,
            enable_video_understanding=enable_video_understanding,
        ).checked("x_search")

    @classmethod
    def file_search(
        cls, vector_store_ids: Sequence[str], *, max_num_results: int | Unset = UNSET
    ) -> GrokToolDefinition:
        """Search of collections stored at xAI, by the server.

        Raises:
            ConfigError: no collection is given, or a number below 1.
        """
        ids = _tuple("vector_store_ids", vector_store_ids)
        tool = cls("file_search", vector_store_ids=ids, max_num_results=max_num_results)
        return tool.checked("file_search")

    @classmethod
    def mcp(
        cls,
        server_url: str,
        server_label: str,
        *,
        server_description: str | Unset = UNSET,
        allowed_tools: Sequence[str] | Unset = UNSET,
        authorization: str | Unset = UNSET,
        headers: Mapping[str, str] | Unset = UNSET,
    ) -> GrokToolDefinition:
        """The tools of an MCP server (Streamable HTTP or SSE), called by the server.

        Args:
            server_url: where it is, ``https://…``.
            server_label: its name in the conversation, without dots.
            server_description: what it is good for, for the model.
            allowed_tools: only these.
            authorization: goes to that server as its Authorization header.
            headers: more headers for it.

        Raises:
            ConfigError: the URL or the label is empty, or the label has a dot.
        """
        return cls(
            "mcp",
            server_url=server_url,
            server_label=server_label,
            server_description=server_description,
            allowed_tools=_tuple("allowed_tools", allowed_tools),
            authorization=authorization,
            headers=headers,
        ).checked("mcp")

    def checked(self, where: str) -> GrokToolDefinition:
        """Return the tool itself if the service would take it; kinds we do not know pass.

        Raises:
            ConfigError: it would not; the sentence begins with `where`.
        """
        _limits.text(f"{where}.type", self.type)
        check = _CHECKS.get(self.type)
        if check is not None:
            check(self, where)
        return self


def _tuple(field: str, value: Sequence[str] | Unset) -> tuple[str, ...] | Unset:
    if value is UNSET:
        return UNSET
    _limits.strings(field, value)
    return tuple(value)


def _check_lists(
    tool: GrokToolDefinition, where: str, allowed: str, excluded: str, at_most: int
) -> None:
    values = [getattr(tool, name) for name in (allowed, excluded)]
    _limits.one_of_two(f"{where}.{allowed}", values[0], f"{where}.{excluded}", values[1])
    for name, value in zip((allowed, excluded), values, strict=True):
        if value:
            _limits.strings(f"{where}.{name}", value, at_most=at_most)


def _check_function(tool: GrokToolDefinition, where: str) -> None:
    _limits.text(f"{where}.name", tool.name)
    if tool.name in RESERVED_NAMES:
        _limits.refuse(f"{where}.name", tool.name, "none of the service's own tools")
    if not tool.parameters:
        return
    if not isinstance(tool.parameters, Mapping):
        _limits.refuse(f"{where}.parameters", tool.parameters, "a JSON Schema as a mapping")
    if tool.parameters.get("type", "object") != "object":
        _limits.refuse(f"{where}.parameters.type", tool.parameters["type"], "'object'")


def _check_web_search(tool: GrokToolDefinition, where: str) -> None:
    _check_lists(tool, where, "allowed_domains", "excluded_domains", at_most=5)


def _check_x_search(tool: GrokToolDefinition, where: str) -> None:
    _check_lists(tool, where, "allowed_x_handles", "excluded_x_handles", at_most=20)
    days = {name: getattr(tool, name) for name in ("from_date", "to_date")}
    given = {name: day for name, day in days.items() if day not in (UNSET, None)}
    for name, day in given.items():
        _limits.date(f"{where}.{name}", day)
    if len(given) == 2 and given["from_date"] > given["to_date"]:
        raise ConfigError(
            f"{where}.from_date must not be after to_date: {tool.from_date} > {tool.to_date}"
        )


def _check_file_search(tool: GrokToolDefinition, where: str) -> None:
    if not tool.vector_store_ids:
        _limits.refuse(f"{where}.vector_store_ids", (), "at least one id")
    if tool.max_num_results not in (UNSET, None):
        _limits.whole(f"{where}.max_num_results", tool.max_num_results, 1)


def _check_mcp(tool: GrokToolDefinition, where: str) -> None:
    _limits.text(f"{where}.server_url", tool.server_url)
    _limits.text(f"{where}.server_label", tool.server_label)
    if "." in (tool.server_label or ""):
        _limits.refuse(f"{where}.server_label", tool.server_label, "without dots")


_CHECKS = {
    "function": _check_function,
    "web_search": _check_web_search,
    "x_search": _check_x_search,
    "file_search": _check_file_search,
    "mcp": _check_mcp,
}
