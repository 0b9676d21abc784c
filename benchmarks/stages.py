"""CPU seconds of every step of the thinking part on one simulated world, in this one process.

    python benchmarks/stages.py WORLD

Prints one line of JSON: how many gaps and sightings, the CPU seconds of reading, of the whole thinking part and of each step that
`ghostships.pipeline` calls, and the peak of the resident memory. Steps that are handed to others count where they are used.
"""

# ruff: noqa: E402 - memory is settled before Polars is loaded, as the command does.

from __future__ import annotations

import functools
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ghostships import allocation

allocation.settle()

from ghostships import intake, job, pipeline

spent: dict[str, float] = {}
_open: list[str] = []


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, its CPU time added to `spent` unless another step is being timed already."""

    @functools.wraps(function)
    def run(*given: Any, **named: Any) -> Any:
        if _open:
            return function(*given, **named)
        _open.append(name)
        begun = time.process_time()
        try:
            return function(*given, **named)
        finally:
            spent[name] = spent.get(name, 0.0) + time.process_time() - begun
            _open.pop()

    return run


def watch() -> None:
    """Time every function of the steps that the pipeline knows, and reading."""
    for module in [value for value in vars(pipeline).values() if isinstance(value, ModuleType)]:
        short = module.__name__.removeprefix("ghostships.steps.")
        if short == module.__name__:
            continue
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType) and value.__module__ == module.__name__ and not name.startswith("_"):
                setattr(module, name, timed(f"{short}.{name}", value))
    intake.read = timed("reading", intake.read)  # type: ignore[assignment]


def main(world: Path) -> None:
    thinking: list[float] = []
    run = pipeline.run

    def think(*given: Any) -> pipeline.Result:
        begun = time.process_time()
        result = run(*given)
        thinking.append(time.process_time() - begun)
        return result

    watch()
    pipeline.run = think  # type: ignore[assignment]
    outcome = job.work(job.request_of_folder(world), None)
    answer = {
        "gaps": len(outcome["gaps"]),
        "sightings": len(outcome["sightings"]),
        "reading_s": spent.pop("reading"),
        "thinking_s": thinking[0],
        "steps_s": spent,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
