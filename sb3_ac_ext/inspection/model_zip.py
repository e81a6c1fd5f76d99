"""An SB3 model zip: settings, networks, optimizers, versions, and what ``load()`` would do."""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from sb3_ac_ext.inspection.algorithms import algorithm_name
from sb3_ac_ext.inspection.archive import Archive, Entry
from sb3_ac_ext.inspection.json_text import read_object
from sb3_ac_ext.inspection.optimizers import is_optimizer, optimizer_facts
from sb3_ac_ext.inspection.readable import readable
from sb3_ac_ext.inspection.records import File, Group, Report, Tensor, Use
from sb3_ac_ext.inspection.scan import merged, scan_bytes
from sb3_ac_ext.inspection.torch_file import read_torch

SERIALIZED, TYPE = ":serialized:", ":type:"
_MOST_TEXT = 1 << 20
_VERSION_LINE = re.compile(r"-?\s*([\w .\-]{1,40}): (.{1,120})")
_FACTS = ("policy_class", "observation_space", "action_space", "num_timesteps", "n_envs", "seed")
_STATE = {"ep_info_buffer", "ep_success_buffer", "start_time", "batch_norm_stats"}
_REFUSED = "a load with weights_only=True, as SB3 has it, refuses what is suspicious in *.pth"


def is_model(archive: Archive) -> bool:
    """:return: whether this is what ``BaseAlgorithm.save`` writes"""
    return "data" in archive or ("_stable_baselines3_version" in archive and len(archive) > 1)


def inspect_model(archive: Archive, path: str, size: int) -> Report:
    """
    :param archive: the opened zip file
    :param path: what was inspected
    :param size: of the zip file
    :raises ValueError: when an entry cannot be read
    """
    data = read_object(archive["data"]) if "data" in archive else {}
    values, uses = _values(data, archive.label)
    torch = _Torch()
    for name, entry in archive.items():
        if posixpath.splitext(name)[1] == ".pth":
            torch.add(name, entry)
    versions = _versions(archive)
    uses += torch.uses
    algorithm = algorithm_name(values)
    _verify(archive)
    return Report(
        path,
        "SB3 model",
        _title(algorithm, values, versions),
        size,
        facts={"algorithm": algorithm, **{name: values.get(name) for name in _FACTS}},
        hyperparameters={name: value for name, value in values.items() if _is_setting(name)},
        parameters=torch.parameters,
        optimizers=torch.optimizers,
        versions=versions,
        files=[File(name, entry.size) for name, entry in archive.items()],
        uses=merged(uses),
        problems=torch.problems,
        notes=[_REFUSED] if any(use.group is Group.SUSPICIOUS for use in torch.uses) else [],
    )


class _Torch:
    """What the entries ``*.pth`` hold, all of which SB3 loads."""

    def __init__(self) -> None:
        self.parameters: dict[str, Mapping[str, Tensor]] = {}
        self.optimizers: dict[str, Mapping[str, Any]] = {}
        self.uses: list[Use] = []
        self.problems: list[str] = []

    def add(self, name: str, entry: Entry) -> None:
        found = read_torch(entry.open(), name)
        self.uses.extend(found.uses)
        self.problems.extend(found.problems)
        if is_optimizer(found.value):
            self.optimizers[name] = optimizer_facts(found)
        elif found.tensors:
            self.parameters[name] = found.tensors


def _values(data: Mapping[str, Any], label: str) -> tuple[dict[str, Any], list[Use]]:
    """Each value that SB3 would put on the model, as far as it can be read."""
    values, uses = {}, []
    for name, value in data.items():
        if not isinstance(value, dict) or SERIALIZED not in value:
            values[name] = readable(value)
            continue
        where = f"data: {name[:60]}"
        found = scan_bytes(_decoded(value[SERIALIZED], label, where), f"{label}: {where}", where)
        values[name] = readable(found.value)
        uses.extend(found.uses)
    return values, uses


def _decoded(text: Any, label: str, where: str) -> bytes:
    """As SB3 does it: characters outside the alphabet are left out."""
    try:
        return base64.b64decode(text.encode())
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{label}: {where}: is no base64: {str(error)[:100]}") from None


def _verify(archive: Archive) -> None:
    """Reading an entry to its end compares it with its checksum."""
    for entry in archive.values():
        with entry.open() as reader:
            for _ in reader.chunks():
                pass


def _versions(archive: Archive) -> dict[str, str]:
    versions: dict[str, str] = {}
    if "system_info.txt" in archive:
        text = archive["system_info.txt"].read(_MOST_TEXT).decode(errors="replace")
        matches = [_VERSION_LINE.fullmatch(line) for line in text.splitlines()]
        versions = {match[1]: match[2] for match in matches if match}
    if "_stable_baselines3_version" in archive:
        text = archive["_stable_baselines3_version"].read(_MOST_TEXT).decode(errors="replace")
        versions.setdefault("Stable-Baselines3", text.strip()[:120])
    return versions


def _title(algorithm: str, values: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    parts = [algorithm]
    policy = values.get("policy_class")
    if isinstance(policy, str):
        parts[0] += f" with {policy.rpartition('.')[2]}"
    if isinstance(values.get("num_timesteps"), int):
        parts.append(f"{values['num_timesteps']:,} steps")
    if "Stable-Baselines3" in versions:
        parts.append(f"saved by Stable-Baselines3 {versions['Stable-Baselines3']}")
    return ", ".join(parts)


def _is_setting(name: str) -> bool:
    return not name.startswith("_") and name not in _STATE and name not in _FACTS
