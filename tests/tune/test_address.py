"""Addresses of clusters are looked at before Ray tries them."""

from __future__ import annotations

import socket
import time

import pytest

from distributed_iac.errors import ConfigError, RunError
from distributed_iac.tune.address import require_answer


def test_an_address_where_nobody_listens_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        require_answer(f"127.0.0.1:{port}")
    begun = time.monotonic()
    with pytest.raises(RunError) as caught:
        require_answer(f"127.0.0.1:{port}")
    assert time.monotonic() - begun < 5
    assert caught.value.exit_code == 4
    assert f"127.0.0.1:{port}" in str(caught.value.came)
    assert "ray start --head" in str(caught.value.remedy)


@pytest.mark.parametrize("address", ["nonsense", "here:there", "ray://127.0.0.1:10001", ":6379"])
def test_what_is_no_address_is_a_configuration_error(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_answer(address)
    assert caught.value.came == address


def test_a_port_that_no_machine_has_is_refused() -> None:
    with pytest.raises(RunError):
        require_answer("127.0.0.1:99999")


def test_ray_looks_up_what_runs_here_itself() -> None:
    require_answer("auto")
