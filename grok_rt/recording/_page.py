"""The report: a recording as one page that brings all it needs and asks nobody for anything.

Pure, but for reading the sound. All that comes from a conversation is escaped; the page forbids
itself the net by a policy of its own.
"""

from __future__ import annotations

import html
import json
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

import attrs
import pybase64

from grok_rt import events
from grok_rt.audio import AudioFormat
from grok_rt.recording._story import RecordedLike, Told
from grok_rt.timeline import Timeline

__all__ = ["Report"]

_EMBEDDED: Final = 24 << 20  # bytes of sound that a page can carry; more is played from beside it
_WIDEST: Final = 30_000  # pixels of the drawing
_MOST_EVENTS: Final = 3000
_MOST_WAITS: Final = 12
_PLACE: Final = re.compile(r"<!-- (\w+) -->")


@attrs.frozen
class Report:
    """What the page tells.

    Attributes:
        began: when.
        duration: seconds.
        lost: events that are missing.
        formats: of ``input`` and ``output``.
        sound: the WAV file.
        them: the events.
        story: the turns.
        timeline: who could be heard when.
    """

    began: datetime
    duration: float
    lost: int
    formats: Mapping[str, AudioFormat]
    sound: Path
    them: Sequence[RecordedLike]
    story: Sequence[Told]
    timeline: Timeline

    def page(self) -> str:
        """The whole page."""
        long = max(self.duration, 1.0)
        pace = min(max(880 / long, 48), _WIDEST / long)
        parts = {
            "title": f"Call of {self.began.day} {self.began:%B %Y, %H:%M}",
            "about": _about(self),
            "cards": _cards(self),
            "sound": _sound(self.sound),
            "timeline": self.timeline.svg(self.duration * pace + 12, labels=False),
            "pace": f"{pace:.4f}",
            "waits": _waits(self.story),
            "turns": "".join(map(_turn, self.story)) or '<p class="none">Nothing was said.</p>',
            "events": "".join(_events(self.them)),
        }
        text = (resources.files("grok_rt") / "data" / "report.html").read_text("utf-8")
        # All at once: what was said could look like a place of the template.
        return _PLACE.sub(lambda place: parts[place[1]], text)


def _about(report: Report) -> str:
    facts: dict[str, object] = {}
    for one in report.them:
        if isinstance(one.event, (events.SessionCreated, events.SessionUpdate)):
            session = one.event.session
            named = {k: v for k in ("model", "voice") if (v := getattr(session, k, None))}
            # What was asked for, where the server's greeting says something else.
            greeting = isinstance(one.event, events.SessionCreated)
            facts = {**named, **facts} if greeting else {**facts, **named}
        elif isinstance(one.event, events.ConversationCreated) and one.event.conversation.id:
            facts["conversation"] = one.event.conversation.id
    formats = report.formats
    facts["sound"] = " → ".join(_format(formats[side]) for side in ("input", "output"))
    return "".join(
        f"<span><b>{_e(name)}</b> {_e(str(value))}</span>" for name, value in facts.items()
    )


def _format(form: Any) -> str:
    return f"{form.type.removeprefix('audio/')} {form.rate // 1000 if form.rate else '?'} kHz"


def _cards(report: Report) -> str:
    story, them = report.story, report.them
    waits = [one.waited for one in story if one.waited]
    calls = [one for one in story if one.turn.call is not None]
    cut = sum(span.cut for one in story for span in one.spans)
    tokens = sum(
        usage.total_tokens or 0
        for one in them
        if isinstance(one.event, events.ResponseDone) and (usage := one.event.total_usage)
    )
    failures = sum(isinstance(one.event, events.Failure) for one in them)
    cards = [
        _long(report.duration),
        (f"{statistics.median(waits):.2f} s" if waits else "none", "wait, median"),
        (str(sum(one.turn.call is None for one in story)), "turns"),
        (str(len(calls)), "function call" + "s" * (len(calls) != 1)),
        (str(cut), "interruption" + "s" * (cut != 1)),
        (f"{tokens:,}".replace(",", " "), "tokens"),
    ]
    if failures:
        cards.append((str(failures), "failure" + "s" * (failures != 1)))
    if report.lost:
        cards.append((str(report.lost), "events not recorded"))
    return "".join(f"<div><b>{_e(value)}</b><span>{_e(name)}</span></div>" for value, name in cards)


def _sound(file: Path) -> str:
    source = file.name
    if file.exists() and file.stat().st_size <= _EMBEDDED:
        encoded = pybase64.b64encode_as_string(file.read_bytes())
        source = f"data:audio/wav;base64,{encoded}"
    return f'<audio controls preload="metadata" src="{source}"></audio>'


def _waits(story: Sequence[Told]) -> str:
    waits = [(one.waited, one) for one in story if one.waited]
    title = "How long the caller waited"
    if len(waits) > _MOST_WAITS:
        title = f"The longest of {len(waits)} waits"
        waits = sorted(waits, key=lambda wait: -wait[0])[:_MOST_WAITS]
    longest = max((seconds for seconds, _ in waits), default=0.0)
    rows = "".join(
        f'<li data-at="{one.spans[0].start:.3f}"><time>{_at(one.spans[0].start)}</time>'
        f'<i><u style="width:{100 * seconds / longest:.1f}%"></u></i>'
        f"<b>{seconds:.2f} s</b><span>{_e(one.turn.text)}</span></li>"
        for seconds, one in waits
    )
    return f"<h2>{title}</h2><ol class='waits'>{rows}</ol>" if rows else ""


def _turn(one: Told) -> str:
    turn, span = one.turn, one.spans[0]
    when = f'<time data-at="{span.start:.3f}">{_at(span.start)}</time>'
    if turn.call is not None:
        length = "" if span.end is None else f" <em>{span.end - span.start:.2f} s</em>"
        answer = turn.text if len(turn.text) <= 70 else f"{turn.text[:69]}…"
        name = f"<code><b>{_e(turn.call.name)}</b> {_e(turn.call.arguments[:120])}</code>"
        body = (
            f"<details><summary>{name}{length}<p>{_e(answer)}</p></summary>"
            f"<pre>{_json(turn.call.arguments)}</pre><pre>{_json(turn.text)}</pre></details>"
        )
        return f'<div class="turn tool">{when}<div>{body}</div></div>'
    notes = ""
    if one.waited:
        notes += f"<em>after {one.waited:.2f} s</em>"
    if any(each.cut for each in one.spans):
        notes += '<em class="cut">cut off</em>'
    who = {"assistant": "grok", "user": "caller"}.get(turn.role, turn.role)
    kind = turn.role if turn.role in {"assistant", "user"} else "note"
    words = _e(turn.text) or "<i>nothing that was written down</i>"
    return f'<div class="turn {kind}">{when}<div><b>{_e(who)}</b>{notes}<p>{words}</p></div></div>'


def _events(them: Sequence[RecordedLike]) -> Iterator[str]:
    rows = 0
    index = 0
    while index < len(them):
        one = them[index]
        same = index
        if _is_sound(one):
            while same + 1 < len(them) and _goes_on(one, them[same + 1]):
                same += 1
        count = same - index + 1
        index = same + 1
        rows += 1
        if rows > _MOST_EVENTS:
            yield f"<p class='none'>… and {len(them) - index + count} more in events.jsonl</p>"
            return
        arrow = {"client": "→", "server": "←"}.get(one.source, "·")
        times = f" <em>&times; {count}</em>" if count > 1 else ""
        bad = " bad" if isinstance(one.event, events.Failure) else ""
        message = json.dumps(one.message, indent=1, ensure_ascii=False)
        yield (
            f'<details class="{_e(one.source)}{bad}"><summary><time>{_at(one.at)}</time>'
            f"<s>{arrow}</s>{_e(one.event.type)}{times}</summary><pre>{_e(message)}</pre></details>"
        )


def _is_sound(one: RecordedLike) -> bool:
    return isinstance(one.event, (events.AudioDelta, events.InputAudioBufferAppend))


def _goes_on(one: RecordedLike, other: RecordedLike) -> bool:
    return type(one.event) is type(other.event) and one.source == other.source


def _json(text: str) -> str:
    try:
        return _e(json.dumps(json.loads(text), indent=1, ensure_ascii=False))
    except ValueError:
        return _e(text)


def _at(seconds: float) -> str:
    minutes, left = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{left:04.1f}"


def _long(seconds: float) -> tuple[str, str]:
    minutes, left = divmod(int(seconds), 60)
    return (f"{minutes}:{left:02}", "minutes") if minutes else (f"{seconds:.1f} s", "long")


def _e(text: str) -> str:
    return html.escape(text)
