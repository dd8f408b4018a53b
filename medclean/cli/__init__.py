"""The command line: one file a command, and the one place where errors become exit statuses."""

import os
import sys
import warnings
from typing import Annotated

import typer

from medclean import __version__
from medclean.catalog import MASKS, NOISES
from medclean.cli._boundary import explain, heed_signals
from medclean.cli._command import Command, command, emit
from medclean.cli._listed import listed
from medclean.cli.add_noise import add_noise
from medclean.cli.denoise import denoise
from medclean.cli.doctor import doctor
from medclean.cli.evaluate import evaluate
from medclean.cli.models import models
from medclean.cli.prepare import prepare
from medclean.cli.report import report
from medclean.cli.train import train
from medclean.cli.undersample import undersample
from medclean.errors import Exit

NOTICE = (
    "Research software: not a medical device, not intended for clinical usage. Originals are "
    "kept; a denoised series is additional and never replaces its source."
)

app = typer.Typer(name="medclean", rich_markup_mode=None, epilog=NOTICE)


def _version(asked: bool) -> None:
    if asked:
        emit(f"medclean {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def medclean(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_version),
    ] = False,
) -> None:
    """Denoise archives of clinical images (MR, CT, PET) into derived series of their own."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(Exit.USAGE)


app.command(cls=Command, epilog=NOTICE, short_help=denoise.__doc__)(command(denoise))
app.command(cls=Command, epilog=NOTICE, short_help=prepare.__doc__)(command(prepare))
app.command("add-noise", cls=Command, epilog=listed(NOISES, NOTICE), short_help=add_noise.__doc__)(
    command(add_noise)
)
app.command(cls=Command, epilog=listed(MASKS, NOTICE), short_help=undersample.__doc__)(
    command(undersample)
)
app.command(cls=Command, epilog=NOTICE, short_help=train.__doc__)(command(train, presets=True))
app.command(cls=Command, epilog=NOTICE, short_help=evaluate.__doc__)(command(evaluate))
app.command(cls=Command, epilog=NOTICE, short_help=report.__doc__)(command(report))
app.command(cls=Command, epilog=NOTICE)(models)
app.command(cls=Command, epilog=NOTICE)(doctor)


def main() -> None:
    """Run what the command line asks, and leave with its exit status."""
    debug = bool(os.environ.get("MEDCLEAN_DEBUG"))
    if not debug:  # what libraries warn of may be the value of a tag
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # for the processes we start
    try:
        heed_signals()
        status = app(prog_name="medclean", standalone_mode=False)
        if status == Exit.INTERRUPTED and not isinstance(status, Exit):
            raise KeyboardInterrupt  # Typer made a mere number of it
    except (Exception, KeyboardInterrupt) as error:
        status = explain(error, debug=debug)
    sys.exit(int(status))
