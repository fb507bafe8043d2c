"""cluster.yaml: what can be known of it without an account."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

SET_BY_RAY = {"MinCount", "MaxCount", "SubnetId", "ClientToken"}
"""Members of RunInstances that Ray's AWS node provider fills in itself."""

Schema = Any
"""A member's kind, its allowed words ``a|b``, members of a structure, or one element of a list."""


@pytest.fixture(scope="module")
def schema() -> dict[str, Schema]:
    path = Path(__file__).with_name("run_instances.json")
    request: dict[str, Schema] = json.loads(path.read_text(encoding="utf-8"))["request"]
    return {key: value for key, value in request.items() if key not in SET_BY_RAY}


@pytest.fixture(scope="module")
def cluster(root: Path, cluster_file: Any) -> Any:
    path = root / "cluster.yaml"
    return cluster_file(path, yaml.safe_load(path.read_text(encoding="utf-8")))


def lint(value: Any, schema: Schema, where: str) -> list[str]:
    """Everything in a node_config that EC2's RunInstances does not know."""
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [f"{where}: a mapping"]
        unknown = [f"{where}.{key}: unknown" for key in value if key not in schema]
        known = [key for key in value if key in schema]
        return unknown + [w for k in known for w in lint(value[k], schema[k], f"{where}.{k}")]
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{where}: a list"]
        return [w for n, item in enumerate(value) for w in lint(item, schema[0], f"{where}.{n}")]
    kinds = {"string": str, "integer": int, "boolean": bool}
    if schema in kinds:
        return [] if type(value) is kinds[schema] else [f"{where}: a {schema}"]
    if "|" in schema and value not in schema.split("|"):
        return [f"{where}: one of {schema}"]
    return []


def test_ray_accepts_it(cluster: Any) -> None:
    prepared = prepare_config(copy.deepcopy(cluster.values))
    validate_config(prepared)
    assert prepared["head_node_type"] in prepared["available_node_types"]


def test_ray_refuses_it_with_a_misspelt_key(cluster: Any) -> None:
    wrong = {**copy.deepcopy(cluster.values), "max_worker": 3}
    with pytest.raises(Exception, match="max_worker"):
        validate_config(prepare_config(wrong))


def test_ec2_knows_every_key_of_every_node(cluster: Any, schema: dict[str, Schema]) -> None:
    types = cluster.values["available_node_types"]
    assert [
        w for name, node in types.items() for w in lint(node["node_config"], schema, name)
    ] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"InstanceMarketOption": {"MarketType": "spot"}}, "gpu.InstanceMarketOption: unknown"),
        (
            {"InstanceMarketOptions": {"Market": "spot"}},
            "gpu.InstanceMarketOptions.Market: unknown",
        ),
        ({"InstanceMarketOptions": {"MarketType": "sport"}}, "MarketType: one of"),
        ({"BlockDeviceMappings": [{"Ebs": {"VolumeSize": "150"}}]}, "VolumeSize: a integer"),
        ({"BlockDeviceMappings": {"Ebs": {}}}, "BlockDeviceMappings: a list"),
        ({"MaxCount": 3}, "gpu.MaxCount: unknown"),
    ],
)
def test_the_lint_sees_typing_errors(
    cluster: Any, schema: dict[str, Schema], change: dict[str, Any], said: str
) -> None:
    node = cluster.values["available_node_types"]["gpu"]["node_config"]
    (found,) = lint({**node, **change}, schema, "gpu")
    assert said in found


def test_every_version_is_the_pinned_one(cluster: Any, pins: dict[str, str]) -> None:
    pinned = set(re.findall(r"\b(ray|torch)(?:\[[a-z,]+\])?==([0-9.]+)", cluster.text))
    assert pinned == {("ray", pins["ray"]), ("torch", pins["torch"])}
    image = cluster.values["docker"]["image"]
    assert image == f"rayproject/ray:{pins['ray']}-py311-gpu"
    assert len(set(re.findall(r"boto3==([0-9.]+)", cluster.text))) == 1
    installs = [line for line in cluster.strings() if "pip install" in line]
    assert installs
    assert all("==" in line for line in installs)


def test_every_process_on_every_node_has_the_same_authentication(cluster: Any) -> None:
    assert "--env RAY_AUTH_MODE=token" in cluster.values["docker"]["run_options"]
    assert "--env RAY_USAGE_STATS_ENABLED=0" in cluster.values["docker"]["run_options"]
    for kind in ("head", "worker"):
        (start,) = (c for c in cluster.values[f"{kind}_start_ray_commands"] if "ray start" in c)
        assert start.startswith("ulimit -n 65536;")
        assert "RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 ray start" in start


def test_workers_are_spot_gpus_that_come_and_go(cluster: Any) -> None:
    gpu = cluster.values["available_node_types"]["gpu"]
    assert gpu["min_workers"] == 0 < gpu["max_workers"] <= cluster.values["max_workers"]
    assert gpu["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    head = cluster.values["available_node_types"]["head"]
    assert "InstanceMarketOptions" not in head["node_config"]
    assert head["resources"] == {"CPU": 0}


def test_the_shared_folder_is_one_and_the_same_everywhere(cluster: Any) -> None:
    (mount,) = (c for c in cluster.values["initialization_commands"] if "mount -t nfs4" in c)
    assert f"{cluster.values['provider']['region']}.amazonaws.com:/ /mnt/iac" in mount
    assert "--volume /mnt/iac:/mnt/iac" in cluster.values["docker"]["run_options"]
    runs = re.findall(r'"(cd \S+) && distributed-iac', cluster.unwrapped)
    assert runs
    assert set(runs) == {"cd /mnt/iac"}


def test_what_must_be_edited_is_said_in_the_head(cluster: Any) -> None:
    head, body = cluster.text.split("\ncluster_name:")
    placeholders = set(re.findall(r"\b(?:ami|fs)-0{17}\b", body))
    assert placeholders == set(re.findall(r"\b(?:ami|fs)-0{17}\b", head))
    assert set(re.findall(r"\b(?:ami|fs)-[0-9a-f]{8,17}\b", cluster.text)) == placeholders


def test_commands_and_configurations_exist(cluster: Any, commands: set[str], root: Path) -> None:
    assert {"sweep", "status"} <= cluster.named_commands() <= commands
    assert cluster.named_configs()
    assert all((root / name).is_file() for name in cluster.named_configs())


def test_nothing_in_it_is_secret(cluster: Any) -> None:
    assert cluster.secrets() == []
