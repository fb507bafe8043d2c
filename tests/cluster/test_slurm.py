"""configs/slurm.sh and tests/cluster/slurm_here.sh: what can be known of them without Slurm.

The whole of it is tried by slurm_here.sh itself, where Slurm is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = ("configs/slurm.sh", "tests/cluster/slurm_here.sh")
SHELLCHECK = shutil.which("shellcheck")


@pytest.fixture(scope="module")
def script(root: Path, cluster_file: Any) -> Any:
    return cluster_file(root / "configs" / "slurm.sh", {})


@pytest.fixture(scope="module")
def options(script: Any) -> dict[str, str]:
    """What sbatch reads in the file: option to value."""
    found = re.findall(r"(?m)^#SBATCH --([a-z-]+)(?:=(\S+))?$", script.text)
    assert len(found) == script.text.count("\n#SBATCH"), "each of them is understood"
    return dict(found)


@pytest.mark.parametrize("name", SCRIPTS)
def test_bash_can_read_it(root: Path, name: str) -> None:
    done = subprocess.run(["bash", "-n", root / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_finds_nothing(root: Path, name: str) -> None:
    command = [str(SHELLCHECK), root / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_sbatch_reads_its_options_before_the_first_command(script: Any) -> None:
    lines = script.text.splitlines()
    first = next(n for n, line in enumerate(lines) if line and not line.startswith("#"))
    assert max(n for n, line in enumerate(lines) if line.startswith("#SBATCH")) < first


def test_a_node_may_be_lost_and_the_job_comes_back(options: dict[str, str], script: Any) -> None:
    assert {"requeue", "no-kill"} <= options.keys()
    assert options["open-mode"] == "append", "a log tells of all starts"
    assert options["ntasks-per-node"] == "1"
    lead = re.fullmatch(r"B:USR1@(\d+)", options["signal"])
    saving = re.search(r"(?m)^SAVING=(\d+)", script.text)
    assert lead
    assert saving
    assert int(saving[1]) < int(lead[1]) - 60, "Slurm may send it up to a minute late"
    assert "' USR1" in script.text
    assert 'scontrol requeue "$SLURM_JOB_ID"' in script.text


def test_every_process_has_the_token_of_this_job_alone(script: Any) -> None:
    assert 'export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$state/token"' in script.text
    assert "umask 077" in script.text
    assert 'chmod 700 "$state"' in script.text
    assert 'rm -f "$RAY_AUTH_TOKEN_PATH"' in script.text
    assert script.secrets() == []


def test_no_port_and_no_folder_is_one_that_another_user_has(script: Any) -> None:
    for option in ("min-worker-port=0", "max-worker-port=0", "dashboard-agent-listen-port=0"):
        assert f"--{option}" in script.text
    assert '--port="$port" --ray-client-server-port="$client_port"' in script.text
    assert not re.search(r"\b(6379|8265|10001|52365)\b", script.text)
    assert "iac-$SLURM_JOB_ID." in script.text


def test_options_that_ray_start_is_given_exist(script: Any) -> None:
    from ray.scripts.scripts import start

    known = {name for option in start.params for name in option.opts}
    begin = script.text.index("ray start --block")
    given = set(re.findall(r"(--[a-z-]+)", script.text[begin : script.text.index('"$@"', begin)]))
    (head,) = re.findall(r"(?s)start_ray 0 (.*?) &\n", script.text)
    given |= {word.split("=")[0] for word in head.split() if word.startswith("--")}
    assert {"--head", "--port", "--temp-dir", "--num-gpus"} <= given <= known


def test_ray_says_that_it_has_started_in_the_words_that_are_waited_for(script: Any) -> None:
    from ray.scripts import scripts

    (words,) = re.findall(r'until grep -q "([^"]+)"', script.text)
    assert words in Path(scripts.__file__).read_text(encoding="utf-8")


def test_commands_and_configurations_exist(script: Any, commands: set[str], root: Path) -> None:
    named = set(re.findall(r"distributed-iac ([a-z]+) ", script.unwrapped))
    assert {"plan", "sweep", "status"} <= named <= commands
    configs = set(re.findall(r"PROJECT/(configs/\S+)", script.text))
    assert configs == {"configs/slurm.sh", "configs/sweep_all.yaml"}
    assert all((root / name).is_file() for name in (*configs, *SCRIPTS))


def test_slurm_here_says_that_it_was_skipped_where_slurm_is_missing(root: Path) -> None:
    done = subprocess.run(
        ["/bin/bash", root / SCRIPTS[1]],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 77
    assert done.stdout.startswith("skipped: there is no s")
