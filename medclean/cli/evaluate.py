"""``medclean evaluate``."""

import json as json_
import sys
from typing import Annotated

import typer

from medclean.cli._command import emit
from medclean.errors import Exit
from medclean.jobs.evaluate import EvaluateJob
from medclean.log import Log, printable


def evaluate(
    job: EvaluateJob,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> Exit:
    """Compare results with references: image quality, noise, regions, statistics over patients."""
    from medclean.cli._scores import tables
    from medclean.pipelines.evaluate import evaluate as run

    evaluated = run(job, Log())
    emit(json_.dumps(evaluated.as_object(), indent=1) if json else tables(evaluated))
    for sentence in evaluated.crossed:
        print(f"medclean: {printable(sentence)}", file=sys.stderr)
    return evaluated.exit
