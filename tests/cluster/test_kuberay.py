"""configs/kuberay.yaml: a RayJob whose command resumes, with pinned versions and no secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from distributed_iac.config.load import load_config


@pytest.fixture(scope="module")
def job(root: Path, cluster_file: Any) -> Any:
    path = root / "configs" / "kuberay.yaml"
    return cluster_file(path, yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def pods(job: Any) -> dict[str, dict[str, Any]]:
    """The pods' specifications, head and groups of workers, by name."""
    cluster = job.values["spec"]["rayClusterSpec"]
    groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    return {
        name: group["template"]["spec"]
        for name, group in {"head": cluster["headGroupSpec"], **groups}.items()
    }


def test_it_is_a_ray_job_that_cleans_up_and_tries_again(job: Any) -> None:
    assert (job.values["apiVersion"], job.values["kind"]) == ("ray.io/v1", "RayJob")
    spec = job.values["spec"]
    assert spec["shutdownAfterJobFinishes"]
    assert spec["ttlSecondsAfterFinished"] > 0
    assert spec["backoffLimit"] > 0


def test_the_entrypoint_is_the_command_that_resumes(
    job: Any, commands: set[str], root: Path
) -> None:
    entrypoint = job.values["spec"]["entrypoint"]
    matched = re.fullmatch(
        r'bash -c "cd (\S+) && distributed-iac (\w+) /home/ray/distributed-iac/(\S+) '
        r'--address auto"',
        entrypoint,
    )
    assert matched is not None
    folder, command, config = matched.groups()
    assert folder == "/mnt/iac"
    assert command == "sweep"
    assert command in commands
    assert not load_config(root / config).folder.is_absolute()
    assert load_config(root / config).sweep.max_failures > 0


def test_ray_and_the_image_have_the_pinned_versions(
    job: Any, pods: dict[str, Any], pins: dict[str, str], version: str
) -> None:
    assert job.values["spec"]["rayClusterSpec"]["rayVersion"] == pins["ray"]
    assert "configs/Dockerfile" in job.text
    images = {container["image"] for pod in pods.values() for container in pod["containers"]}
    assert images == {f"REGISTRY/distributed-iac:{version}"}


def test_every_pod_has_authentication_and_the_shared_folder(job: Any, pods: dict[str, Any]) -> None:
    assert job.values["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert set(pods) == {"head", "gpu", "cpu"}
    for pod in pods.values():
        (container,) = pod["containers"]
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in container["env"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        (mount,) = container["volumeMounts"]
        (volume,) = pod["volumes"]
        assert mount == {"name": volume["name"], "mountPath": "/mnt/iac"}


def test_only_gpu_pods_ask_for_gpus_and_workers_start_from_none(
    job: Any, pods: dict[str, Any]
) -> None:
    asking = {
        name
        for name, pod in pods.items()
        if "nvidia.com/gpu" in pod["containers"][0]["resources"]["limits"]
    }
    assert asking == {"gpu"}
    cluster = job.values["spec"]["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"]
    assert {group["minReplicas"] for group in cluster["workerGroupSpecs"]} == {0}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_jobs_fit_the_pods(pods: dict[str, Any], root: Path) -> None:
    kinds = load_config(root / "configs" / "sweep_all.yaml").sweep.resources
    cores = {
        name: float(pod["containers"][0]["resources"]["limits"]["cpu"])
        for name, pod in pods.items()
    }
    assert kinds.prepare.cpus <= cores["cpu"]
    assert all(
        getattr(kinds, kind).cpus <= cores["gpu"]
        for kind in ("pretrain", "search", "retrain", "baseline", "evaluate")
    )


def test_nothing_in_it_is_secret(job: Any) -> None:
    assert job.secrets() == []


@pytest.mark.parametrize(
    "leak",
    [
        "aws_access_key_id: AKIAABCDEFGHIJKLMNOP",
        "RAY_AUTH_TOKEN: 'c2VjcmV0LXNlY3JldC1zZWNyZXQ'",
        "value: 0123456789abcdef0123456789abcdef",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_a_secret_would_be_seen(tmp_path: Path, cluster_file: Any, leak: str) -> None:
    (tmp_path / "leaky.yaml").write_text(leak, encoding="utf-8")
    assert cluster_file(tmp_path / "leaky.yaml", {}).secrets() != []
