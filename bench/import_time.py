"""How long `import grok_rt` takes, beside `import attrs`: `python bench/import_time.py [RUNS]`.

Each figure is the best of several fresh interpreters, taken in turn so that both see the same
machine; the interpreter's own start is not counted.
"""

from __future__ import annotations

import subprocess
import sys

MODULES = ("attrs", "grok_rt")
TIMED = "from time import perf_counter as now; start = now(); import {}; print(now() - start)"


def measure(module: str) -> float:
    """Seconds that one fresh interpreter takes for the import."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(module)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    best = dict.fromkeys(MODULES, float("inf"))
    for _ in range(runs):
        for module in MODULES:
            best[module] = min(best[module], measure(module))
    for module, seconds in best.items():
        print(f"import {module:<8} {seconds * 1000:7.1f} ms")
    print(f"ratio           {best['grok_rt'] / best['attrs']:7.1f}")


if __name__ == "__main__":
    main()
