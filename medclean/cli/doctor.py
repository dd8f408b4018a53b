"""``medclean doctor``."""

import json as json_
from typing import Annotated

import typer

from medclean.cli._command import emit
from medclean.errors import Exit, UsageError


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print the findings for machines.")] = False,
    self_test: Annotated[
        bool,
        typer.Option(
            "--self-test",
            help="Denoise a built-in slice with each shipped checkpoint, and compare with what "
            "its card says.",
        ),
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(help="Do the self-test here too, as on cuda; else on cpu alone."),
    ] = None,
) -> Exit:
    """Look at what medclean needs on this machine, and say how to mend it."""
    from medclean.pipelines.doctor import doctor as run

    if device and not self_test:
        raise UsageError("--device is where the self-test computes: add --self-test")
    devices = dict.fromkeys(("cpu", device or "cpu")) if self_test else ()
    findings = run(tuple(devices))
    healthy = all(finding.state != "missing" for finding in findings)
    if json:
        rows = [finding._asdict() for finding in findings]
        emit(json_.dumps({"healthy": healthy, "findings": rows}, indent=1))
    else:
        wide = max(len(finding.what) for finding in findings)
        for what, state, found, mend, _ in findings:
            emit(f"{state:8}{what:{wide}}  {found}")
            if mend:
                emit(f"{'':8}{'':{wide}}  to mend it: {mend}")
        emit("all is well" if healthy else "something is missing")
    return Exit.DONE if healthy else Exit.MISSING
