"""G.711 against three references: the ITU's algorithm written out, SoX, and `audioop`."""

from __future__ import annotations

import array
import hashlib
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable

import pytest

from grok_rt.audio import _g711, _pcm

ALL_SAMPLES = range(-32768, 32768)
ALL_PCM = _pcm.pack(array.array("h", ALL_SAMPLES))
ALL_CODES = bytes(range(256))
LAWS = [pytest.param(_g711.ulaw, id="ulaw"), pytest.param(_g711.alaw, id="alaw")]
LawTable = Callable[[], _g711.Law]


def itu_ulaw(sample: int) -> int:
    """`ulaw_compress` of the ITU-T software tool library (G.191)."""
    magnitude = min(((~sample if sample < 0 else sample) >> 2) + 33, 0x1FFF)
    segment = 1
    rest = magnitude >> 6
    while rest:
        segment += 1
        rest >>= 1
    code = (8 - segment) << 4 | (0xF - (magnitude >> segment & 0xF))
    return code if sample < 0 else code | 0x80


def itu_alaw(sample: int) -> int:
    """`alaw_compress` of the ITU-T software tool library (G.191)."""
    code = (~sample if sample < 0 else sample) >> 4
    if code > 15:
        exponent = 1
        while code > 31:
            code >>= 1
            exponent += 1
        code += (exponent << 4) - 16
    return (code if sample < 0 else code | 0x80) ^ 0x55


def sox(data: bytes, source: str, target: str) -> bytes:
    if not shutil.which("sox"):
        pytest.skip("sox is not installed")
    raw = ["-t", "raw", "-r", "8000", "-c", "1", "-e"]
    return subprocess.run(
        ["sox", "-D", *raw, *source.split(), "-", *raw, *target.split(), "-"],
        input=data,
        capture_output=True,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        pytest.param(_g711.ulaw, itu_ulaw, id="ulaw"),
        pytest.param(_g711.alaw, itu_alaw, id="alaw"),
    ],
)
def test_encodes_as_the_itu(law: LawTable, reference: Callable[[int], int]) -> None:
    """Every 16-bit sample gets the code that the ITU's reference software gives it."""
    assert bytes(map(reference, ALL_SAMPLES)) == law().encode(ALL_PCM)


@pytest.mark.parametrize(
    ("law", "sha256"),
    [
        pytest.param(
            _g711.ulaw,
            "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827",
            id="ulaw",
        ),
        pytest.param(
            _g711.alaw,
            "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174",
            id="alaw",
        ),
    ],
)
def test_decodes_as_it_did_beside_sox(law: LawTable, sha256: str) -> None:
    """The samples of all 256 codes are those that SoX 14.4.2 made, remembered as a hash."""
    assert sha256 == hashlib.sha256(law().decode(ALL_CODES)).hexdigest()


@pytest.mark.parametrize(
    ("law", "encoding"),
    [
        pytest.param(_g711.ulaw, "u-law -b 8", id="ulaw"),
        pytest.param(_g711.alaw, "a-law -b 8", id="alaw"),
    ],
)
def test_decodes_as_sox(law: LawTable, encoding: str) -> None:
    """SoX hears the same in every code."""
    assert sox(ALL_CODES, encoding, "signed -b 16") == law().decode(ALL_CODES)


@pytest.mark.parametrize(
    ("law", "encoding", "step"),
    [
        pytest.param(_g711.ulaw, "u-law -b 8", 4, id="ulaw"),
        pytest.param(_g711.alaw, "a-law -b 8", 8, id="alaw"),
    ],
)
def test_encodes_as_sox_but_for_its_rounding(law: LawTable, encoding: str, step: int) -> None:
    """SoX, which rounds to 14 (13) bits first, gives each sample our code of one in that step."""
    theirs = sox(ALL_PCM, "signed -b 16", encoding)
    codes = law().codes
    for sample, code in zip(ALL_SAMPLES, theirs, strict=True):
        near = (max(-32768, sample - step), sample, min(sample + step, 32767))
        assert code in {codes[other] for other in near}
    # and what the law's own levels stand for is encoded alike
    levels = law().decode(ALL_CODES)
    assert sox(levels, "signed -b 16", encoding) == law().encode(levels)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop is gone from 3.13")
def test_agrees_with_audioop() -> None:
    """Programs that leave `audioop` hear no difference: all decoding and A-law are equal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    assert audioop.ulaw2lin(ALL_CODES, 2) == _g711.ulaw().decode(ALL_CODES)
    assert audioop.alaw2lin(ALL_CODES, 2) == _g711.alaw().decode(ALL_CODES)
    assert audioop.lin2alaw(ALL_PCM, 2) == _g711.alaw().encode(ALL_PCM)


@pytest.mark.parametrize("law", LAWS)
def test_codes_survive_decoding(law: LawTable) -> None:
    """Decoding loses nothing: each code comes back, save that µ-law's two zeros become one."""
    back = law().encode(law().decode(ALL_CODES))
    assert {code for code in ALL_CODES if back[code] != code} <= {0x7F}


@pytest.mark.parametrize("law", LAWS)
def test_no_sound_is_no_code(law: LawTable) -> None:
    """Empty input has empty output, either way."""
    assert law().encode(b"") == law().decode(b"") == b""
