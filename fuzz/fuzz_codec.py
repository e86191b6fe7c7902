"""Fuzz the codec, guided by coverage: `nox -s fuzz`, or this script with libFuzzer's arguments.

Half of the mutations are libFuzzer's own, half keep the input JSON; the corpus is the samples.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["grok_rt", "cattrs"]):
    import fuzz_laws
import mutations
from wire import SAMPLES


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    dice = random.Random(seed)
    if dice.random() < 0.5:
        try:
            return json.dumps(mutations.changed(json.loads(data), dice)).encode()[:max_size]
        except (ValueError, RecursionError):
            pass
    return atheris.Mutate(data, max_size)


def main() -> None:
    with tempfile.TemporaryDirectory() as corpus:
        for number, sample in enumerate(SAMPLES):
            Path(corpus, str(number)).write_text(json.dumps(sample), "utf-8")
        arguments = [*sys.argv, corpus, "-timeout=10", "-max_len=20000"]
        atheris.Setup(arguments, fuzz_laws.codec, custom_mutator=mutate)
        atheris.Fuzz()


main()
