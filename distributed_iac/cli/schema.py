"""``distributed-iac schema``: the JSON schema of the configuration, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schema(
    out: Annotated[Path, typer.Argument(help="File to write.")] = Path("configs/schema.json"),
) -> None:
    """Write the JSON schema of the configuration."""
    from distributed_iac.config.load import json_schema
    from distributed_iac.errors import ConfigError
    from distributed_iac.files import write_json

    try:
        write_json(out, json_schema())
    except OSError as error:
        raise ConfigError(
            "the schema is written to a file that can be created or replaced",
            came=f"{out}: {error.strerror}",
            remedy="name another file",
        ) from error
    typer.echo(f"wrote {out}")
