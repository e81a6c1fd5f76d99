"""Files to inspect: stock models, malicious ones that would leave a marker, bundles by hand."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO, SAC

th.set_num_threads(1)


class DictEnv(gym.Env):
    """Dict observations and continuous actions."""

    observation_space = spaces.Dict(
        {
            "position": spaces.Box(-1.0, 1.0, (3,)),
            "image": spaces.Box(0, 255, (3, 36, 36), np.uint8),
            "gear": spaces.Discrete(4),
        }
    )
    action_space = spaces.Box(-1.0, 1.0, (2,))

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        return self.observation_space.sample(), 0.0, False, False, {}


def ppo(path: Path, **kwargs: Any) -> Path:
    """A stock PPO that has made an update."""
    settings = {"n_steps": 16, "batch_size": 8, "n_epochs": 1, "policy_kwargs": {"net_arch": [4]}}
    model = PPO("MlpPolicy", "CartPole-v1", **{**settings, **kwargs})
    model.learn(16).save(path)
    return path


def sac(path: Path) -> SAC:
    """A stock SAC with gSDE, Dict observations and a learning rate that is a lambda."""
    model = SAC(
        "MultiInputPolicy",
        DictEnv(),
        use_sde=True,
        learning_rate=lambda progress: 3e-4 * progress,
        learning_starts=2,
        batch_size=4,
        buffer_size=20,
        policy_kwargs={"net_arch": [4]},
    )
    model.learn(6).save(path)
    return model


class Evil:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def rewritten(source: Path, target: Path, entries: Mapping[str, bytes]) -> Path:
    """A copy of a zip file in which entries are replaced or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, entries.get(name, old.read(name)))
        for name in entries.keys() - set(old.namelist()):
            new.writestr(name, entries[name])
    return target


def evil_data(source: Path, marker: Path, key: str = "policy_kwargs") -> bytes:
    """The entry ``data`` of a model with a value that runs a command."""
    with zipfile.ZipFile(source) as archive:
        data = json.loads(archive.read("data"))
    text = base64.b64encode(pickle.dumps(Evil(marker))).decode()
    data[key] = {":type:": "<class 'dict'>", ":serialized:": text}
    return json.dumps(data).encode()


def evil_weights(marker: Path, legacy: bool = False) -> bytes:
    """What ``torch.save`` writes for a dict with a value that runs a command."""
    stream = io.BytesIO()
    content = {"weight": th.zeros(2, 3), "more": Evil(marker)}
    th.save(content, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def safetensors(name: str, array: np.ndarray) -> bytes:
    header = {
        name: {"dtype": "F32", "shape": list(array.shape), "data_offsets": [0, array.nbytes]},
        "__metadata__": {"format": "pt"},
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + array.tobytes()


def bundle_files(**changes: Any) -> dict[str, bytes]:
    """A bundle by hand; ``changes`` replace fields of its manifest."""
    weights = np.zeros((2, 3), np.float32)
    files = {
        "state.json": json.dumps({"num_timesteps": 640}).encode(),
        "policy.safetensors": safetensors("action_net.weight", weights),
        "replay.npz": npz(rewards=np.ones((5, 1), np.float32), dones=np.zeros(5, bool)),
    }
    box = {"kind": "Box", "dtype": "<f4", "shape": [3], "low": -1.0, "high": 1.0}
    manifest = {
        "format": "sb3_ac_ext bundle",
        "version": 1,
        "created": "2026-11-28T01:00:00+00:00",
        "num_timesteps": 640,
        "algorithm": "stable_baselines3.ppo.ppo.PPO",
        "versions": {"stable_baselines3": "2.9.2", "torch": "2.13.0"},
        "exact": False,
        "reasons": ["the environment's state is not kept"],
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in files.items()
        },
        "summary": {
            "n_updates": 10,
            "n_envs": 2,
            "observation_space": {"kind": "Dict", "spaces": [["position", box]]},
            "action_space": "Discrete(2)",
            "hyperparameters": {"gamma": 0.99, "net_arch": [64, 64]},
            "parameters": {"action_net.weight": {"shape": [2, 3], "dtype": "float32"}},
            "replay_rows": None,
        },
        **changes,
    }
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def listed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files with a manifest that lists them as they are."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
        if name != "manifest.json"
    }
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zipped(path: Path, files: Mapping[str, bytes], root: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{root}{name}", data)
    return path
