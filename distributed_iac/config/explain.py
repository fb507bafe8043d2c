"""What is wrong with a configuration, in sentences that name file, key path and nearest name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from distributed_iac.config.merge import Layers
from distributed_iac.config.pydantic_errors import Finding, findings
from distributed_iac.errors import ConfigError, did_you_mean


def explain(error: ValidationError, model: type[BaseModel], layers: Layers) -> ConfigError:
    """Return one error that lists every finding of ``error``."""
    refused = [_refusal(finding, layers) for finding in findings(error, model)]
    if len(refused) == 1:
        return refused[0]
    blocks = [f"{number}. {one}" for number, one in enumerate(refused, 1)]
    return ConfigError("\n".join([f"{len(refused)} problems in the configuration", *blocks]))


def _refusal(finding: Finding, layers: Layers) -> ConfigError:
    message, came, remedy = _sentences(finding)
    path = ".".join(map(str, finding.place))
    where = f"{layers.origin(path)}: {path}" if path else layers.origin("")
    return ConfigError(message, came=came, remedy=remedy, where=where)


def _sentences(finding: Finding) -> tuple[str, str | None, str | None]:
    """What is allowed, what came, what to do."""
    key, came, allowed = finding.key, finding.came, finding.allowed
    match finding.kind:
        case "unknown_key":
            return (
                f"known keys here are {', '.join(allowed)}",
                key,
                did_you_mean(key, allowed) or "remove it",
            )
        case "missing_key":
            return "this key is required", "nothing", "add it"
        case "missing_tag":
            return f"the key {key} is required", "nothing", "add it"
        case "unknown_tag":
            return (
                f"{key} is one of {', '.join(allowed)}",
                _short(came),
                did_you_mean(came, allowed),
            )
    remedy = did_you_mean(came, allowed) if isinstance(came, str) else None
    if finding.kind == "not_text" and not isinstance(came, dict | list):
        remedy = "quote it if it is text"
    message = finding.message.rstrip(".")
    # A rule over several keys names them itself; the whole branch would bury the message.
    branch = isinstance(came, dict) and came
    return message[:1].lower() + message[1:], None if branch else _short(came), remedy


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
