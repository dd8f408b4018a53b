"""``medclean doctor``."""

import json as json_
from typing import Annotated

import typer

from medclean.cli._command import emit
from medclean.errors import Exit


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print the findings for machines.")] = False,
) -> Exit:
    """Look at what medclean needs on this machine, and say how to mend it."""
    from medclean.pipelines.doctor import doctor as run

    findings = run()
    healthy = all(finding.state != "missing" for finding in findings)
    if json:
        rows = [finding._asdict() for finding in findings]
        emit(json_.dumps({"healthy": healthy, "findings": rows}, indent=1))
    else:
        wide = max(len(finding.what) for finding in findings)
        for what, state, found, mend in findings:
            emit(f"{state:8}{what:{wide}}  {found}")
            if mend:
                emit(f"{'':8}{'':{wide}}  to mend it: {mend}")
        emit("all is well" if healthy else "something is missing")
    return Exit.DONE if healthy else Exit.MISSING
