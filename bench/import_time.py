"""How long the imports take, beside `import attrs`: `python bench/import_time.py [RUNS]`.

Each figure is the best of several fresh interpreters, taken in turn so that all see the same
machine; the interpreter's own start is not counted.
"""

from __future__ import annotations

import subprocess
import sys

IMPORTS = (
    "import attrs",
    "import grok_rt",
    "import grok_rt.cli",
    "from grok_rt import GrokClient",
)
TIMED = "from time import perf_counter as now; start = now(); {}; print(now() - start)"


def measure(statement: str) -> float:
    """Seconds that one fresh interpreter takes for an import."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(statement)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    best = dict.fromkeys(IMPORTS, float("inf"))
    for _ in range(runs):
        for statement in IMPORTS:
            best[statement] = min(best[statement], measure(statement))
    for statement, seconds in best.items():
        ratio = seconds / best["import attrs"]
        print(f"{statement:31} {seconds * 1000:7.1f} ms {ratio:6.1f}")


if __name__ == "__main__":
    main()
