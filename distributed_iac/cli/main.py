"""The ``distributed-iac`` command.

Exit codes: 0 done, 2 configuration or usage, 3 data, 4 the work failed, 130 interrupted.
Errors are one readable block on standard error; ``--debug`` adds the traceback.

Only light modules are imported here, so that ``--help`` answers at once; each command imports
its room when it runs.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from distributed_iac import __version__
from distributed_iac.cli.check import check
from distributed_iac.cli.export import export
from distributed_iac.cli.headroom import headroom
from distributed_iac.cli.nnunet import nnunet
from distributed_iac.cli.phantom import phantom
from distributed_iac.cli.plan import plan
from distributed_iac.cli.predict import predict
from distributed_iac.cli.prepare import prepare
from distributed_iac.cli.report import report
from distributed_iac.cli.schema import schema
from distributed_iac.cli.search import search
from distributed_iac.cli.status import status
from distributed_iac.cli.sweep import sweep
from distributed_iac.cli.system import readable, show_what_they_can
from distributed_iac.errors import DistributedIacError

INTERRUPTED = 130
"""Shell convention: 128 + SIGINT."""

app = typer.Typer(
    name="distributed-iac",
    help="Find Implantable Adaptive Cells for trained medical segmentation U-Nets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"distributed-iac {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    del version, debug  # both act before or around the commands


for command in (
    phantom,
    check,
    prepare,
    plan,
    headroom,
    nnunet,
    search,
    sweep,
    status,
    report,
    export,
    predict,
    schema,
):
    app.command()(command)


def main() -> None:
    """Run the command line and exit with its code."""
    show_what_they_can()
    debug = "--debug" in sys.argv
    # --debug is welcome anywhere on the line, not only before the command.
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        code = app(args=arguments, standalone_mode=False)
    except (DistributedIacError, OSError) as error:
        if debug:
            raise
        shown = readable(error)
        typer.echo(f"error: {shown}", err=True)
        sys.exit(shown.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        typer.echo(
            "interrupted; the same command continues where this one stopped",
            err=True,
        )
        sys.exit(INTERRUPTED)
    except Exception as error:
        code = _usage_error(error)
        if code is None:
            raise
    sys.exit(code if isinstance(code, int) else 0)


def _usage_error(error: Exception) -> int | None:
    """Show click's own usage errors; None for anything else.

    Typer carries its own copy of click's exceptions in some releases, so they are known by what
    they can do rather than by their class.
    """
    show = getattr(error, "show", None)
    exit_code = getattr(error, "exit_code", None)
    if callable(show) and isinstance(exit_code, int):
        show()
        return exit_code
    return None


if __name__ == "__main__":
    main()
