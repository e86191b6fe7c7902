"""A function's signature as JSON Schema, and a model's arguments as the function's own types.

One msgspec struct, made from the signature, serves both: what the model is told and what it is
held to cannot drift apart. Knows nothing of tools, events and threads; pure, any thread.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import GenericAlias, MappingProxyType, UnionType
from typing import Annotated, Any, NamedTuple, Optional, Union, get_args, get_origin

import attrs
import msgspec

from grok_rt.errors import ToolError
from grok_rt.tools._scope import hints

__all__ = ["Signature", "describe"]

NOTHING_KNOWN: Mapping[str, Any] = MappingProxyType({})

_REF = "#/$defs/"
_PARAMETER_IN_PATH = re.compile(r"`\$\.([^.\[`]+)")
_FIELD = re.compile(r"^Object (missing required|contains unknown) field `([^`]*)`$")


class Description(NamedTuple):
    """What a docstring says: its summary, and a text for each parameter it explains."""

    summary: str
    parameters: Mapping[str, str]


@attrs.frozen(eq=False)
class Signature:
    """What a function takes: ``schema`` for the model, ``bind`` for its answer."""

    schema: dict[str, Any]
    _parameters: Mapping[str, inspect.Parameter]
    _struct: type[msgspec.Struct]

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        name: str,
        texts: Mapping[str, str],
        known: Mapping[str, Any] = NOTHING_KNOWN,
    ) -> Signature:
        """Read the signature of `function`.

        Args:
            function: what the model may call.
            name: what it calls it by.
            texts: explain parameters that have no text yet.
            known: local names that annotations mention, from when the function was marked.

        Raises:
            ToolError: a parameter that JSON cannot express, in a sentence that names it.
        """
        parameters = _parameters(function, name)
        said = hints(function, name, known)
        types = {
            parameter.name: _type_of(parameter, said.get(parameter.name, Any))
            for parameter in parameters.values()
        }
        for parameter, hint in types.items():  # one by one: the sentence can name the culprit
            try:
                msgspec.json.schema_components([hint], ref_template=_REF + "{name}")
                msgspec.json.Decoder(hint)
            except (TypeError, NameError, RuntimeError) as error:
                reason = str(error).splitlines()[-1].strip(" -")
                msg = f"tool {name!r}: parameter {parameter!r} cannot be JSON: {reason}"
                raise ToolError(msg) from error
        struct = msgspec.defstruct(
            name,
            [
                _field(f"_{place}", parameter, types[parameter.name])
                for place, parameter in enumerate(parameters.values())
            ],
            kw_only=True,
            forbid_unknown_fields=True,
        )
        return cls(_schema(struct, parameters, texts), parameters, struct)

    def bind(self, arguments: str) -> tuple[list[Any], dict[str, Any]]:
        """Convert a model's JSON `arguments` into what the function is called with.

        Raises:
            ToolError: they do not fit; the text tells the model which, and what was expected.
        """
        values = self._convert(arguments.strip() or "{}")
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for place, (name, parameter) in enumerate(self._parameters.items()):
            value = getattr(values, f"_{place}")
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(value)
            else:
                named[name] = value
        return positional, named

    def _convert(self, arguments: str) -> msgspec.Struct:
        try:
            return msgspec.json.decode(arguments, type=self._struct)
        except msgspec.ValidationError as error:
            strict = error
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            msg = f"The arguments are not a JSON object: {error}."
            raise ToolError(msg) from error
        try:  # models write "5" for 5: taken, where only that is wrong
            return msgspec.json.decode(arguments, type=self._struct, strict=False)
        except msgspec.ValidationError:
            raise ToolError(self._complaint(str(strict))) from strict

    def _complaint(self, message: str) -> str:
        properties: dict[str, Any] = self.schema["properties"]
        field = _FIELD.match(message)
        if field and field[1] == "contains unknown":
            known = ", ".join(map(repr, properties)) or "none"
            return f"There is no argument {field[2]!r}. The arguments are: {known}."
        place = _PARAMETER_IN_PATH.search(message)
        if field:
            name, wrong = field[2], "missing"
        elif place:
            name, wrong = place[1], f"wrong: {message}"
        else:
            return f"The arguments are wrong: {message}."
        expected = json.dumps(properties[name], ensure_ascii=False)
        return f"The argument {name!r} is {wrong}. It must match {expected}."


def describe(function: Callable[..., Any]) -> Description:
    """Read the docstring; parameter texts need the extra ``docstrings``."""
    text = inspect.getdoc(function) or ""
    summary = " ".join(text.partition("\n\n")[0].split())
    try:
        import docstring_parser
    except ImportError:
        return Description(summary, {})
    parsed = docstring_parser.parse(text)
    texts = {p.arg_name: " ".join(p.description.split()) for p in parsed.params if p.description}
    return Description(summary, texts)


def _parameters(function: Callable[..., Any], name: str) -> dict[str, inspect.Parameter]:
    try:
        parameters = dict(inspect.signature(function).parameters)
    except (TypeError, ValueError) as error:
        msg = f"tool {name!r}: {function!r} has no signature to read"
        raise ToolError(msg) from error
    for parameter in parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            msg = (
                f"tool {name!r}: {parameter} cannot be described to the model; name each parameter"
            )
            raise ToolError(msg)
    if next(iter(parameters), None) in {"self", "cls"}:
        msg = f"tool {name!r}: this is a method without its object; register it bound"
        raise ToolError(msg)
    return parameters


def _type_of(parameter: inspect.Parameter, hint: Any) -> Any:
    hint = _explained(hint)
    return Optional[hint] if parameter.default is None else hint  # noqa: UP045  (3.10: no `|` here)


def _explained(hint: Any) -> Any:
    """``Annotated[int, "how many"]``, the plain way to say it, as msgspec says it; at any depth."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bare, *notes = arguments
        notes = [msgspec.Meta(description=n) if isinstance(n, str) else n for n in notes]
        return Annotated[(_explained(bare), *notes)]
    inner = tuple(map(_explained, arguments))
    if inner == arguments:
        return hint
    if origin in {Union, UnionType}:
        return Union[inner]  # noqa: UP007  (as many as there are)
    return GenericAlias(origin, inner)


def _field(name: str, parameter: inspect.Parameter, hint: Any) -> Any:
    """A field of the struct; what it is called there may be no name of ours, nor of msgspec's."""
    if parameter.default is parameter.empty:
        return name, hint, msgspec.field(name=parameter.name)
    # A factory: msgspec takes no mutable default, and the function's own default is what counts.
    default = msgspec.field(name=parameter.name, default_factory=lambda: parameter.default)
    return name, hint, default


def _schema(
    struct: type[msgspec.Struct],
    parameters: Mapping[str, inspect.Parameter],
    texts: Mapping[str, str],
) -> dict[str, Any]:
    (reference,), definitions = msgspec.json.schema_components(
        [struct], ref_template=_REF + "{name}"
    )
    root = definitions.pop(reference["$ref"].removeprefix(_REF))
    del root["title"]
    for name, text in texts.items():
        if name in root["properties"]:
            root["properties"][name].setdefault("description", text)
    for name, default in _json_defaults(parameters):
        root["properties"][name]["default"] = default
    return _inlined(root, definitions)


def _json_defaults(parameters: Mapping[str, inspect.Parameter]) -> Iterator[tuple[str, Any]]:
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty:
            continue
        try:
            yield name, json.loads(msgspec.json.encode(parameter.default))
        except (TypeError, ValueError):  # a default that no JSON can show is only not shown
            continue


def _inlined(root: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Put definitions where they are referred to; only those that contain themselves stay."""
    kept: dict[str, Any] = {}

    def walk(node: Any, inside: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [walk(each, inside) for each in node]
        if not isinstance(node, dict):
            return node
        rest = {
            key: walk(value, inside)
            for key, value in node.items()
            # Older readers of JSON Schema refuse an empty list of what is required.
            if key != "$ref" and not (key == "required" and value == [])
        }
        if "$ref" not in node:
            return rest
        name = node["$ref"].removeprefix(_REF)
        if name not in inside:
            return walk(definitions[name], (*inside, name)) | rest
        if name not in kept:
            kept[name] = None  # taken before the walk, which meets the name again
            kept[name] = walk(definitions[name], (name,))
        return {"$ref": node["$ref"], **rest}

    schema: dict[str, Any] = walk(root, ())
    return schema | {"$defs": kept} if kept else schema
