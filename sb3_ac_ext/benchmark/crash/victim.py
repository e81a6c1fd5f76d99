"""The run that is killed: SAC, which writes a bundle whenever it can."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from sb3_ac_ext.checkpoints.bundle import bundles
from sb3_ac_ext.checkpoints.callback import BundleCallback
from sb3_ac_ext.checkpoints.resume import resume

FOREVER = 10**9
_CONTEXT: Any = multiprocessing.get_context("fork")  # PyTorch is loaded once, not a hundred times


class _Progress(BaseCallback):
    """Tells the steps that are done to whoever watches."""

    def __init__(self, steps: Synchronized[int] | None) -> None:
        super().__init__()
        self._steps = steps

    def _on_step(self) -> bool:
        if self._steps is not None:
            self._steps.value = self.num_timesteps
        return True


def train(
    folder: Path, total: int = FOREVER, steps: Synchronized[int] | None = None, every: int = 1
) -> SAC:
    """Begin, or go on from what is there.

    :param folder: of bundles
    :param total: environment steps
    :param steps: receives those that are done
    :param every: least steps between bundles
    :return: the model
    """
    th.set_num_threads(1)
    env = make_vec_env("Pendulum-v1", 1, seed=0)
    model = SAC(
        "MlpPolicy",
        env,
        seed=0,
        learning_starts=50,
        buffer_size=2000,
        batch_size=32,
        policy_kwargs={"net_arch": [32, 32]},
        device="cpu",
    )
    callbacks = [_Progress(steps), BundleCallback(folder, every=every, keep_last=5, share=1.0)]
    if bundles(folder):
        resume(folder, model, callbacks)
    model.learn(total - model.num_timesteps, callbacks, reset_num_timesteps=False)
    return model


def weights(model: SAC) -> dict[str, np.ndarray[Any, Any]]:
    """By name, with the optimizers' moments and what the buffer holds."""
    found = {name: value.numpy() for name, value in model.policy.state_dict().items()}
    for name in ("actor", "critic"):
        states = getattr(model, name).optimizer.state_dict()["state"]
        for index, state in states.items():
            found |= {f"{name}/{index}/{key}": value.numpy() for key, value in state.items()}
    buffer = model.replay_buffer
    assert buffer is not None
    return {**found, "rewards": buffer.rewards, "observations": buffer.observations}


class Victim:
    """A process that trains until it is killed.

    :param folder: of bundles
    """

    def __init__(self, folder: Path) -> None:
        self._steps = _CONTEXT.Value("q", 0)
        self._process = _CONTEXT.Process(target=_quietly, args=(folder, self._steps))
        self._process.start()

    @property
    def steps(self) -> int:
        return int(self._steps.value)

    @property
    def alive(self) -> bool:
        return bool(self._process.is_alive())

    def kill(self) -> int:
        """``kill -9``.

        :return: steps that were done
        """
        self._process.kill()
        self._process.join()
        return self.steps


def _quietly(folder: Path, steps: Any) -> None:
    warnings.simplefilter("ignore")
    train(folder, steps=steps)


def in_process(call: Callable[..., None], *args: Any) -> int:
    """Call something in a process of its own.

    :return: its exit code
    """
    process = _CONTEXT.Process(target=call, args=args)
    process.start()
    process.join()
    return int(process.exitcode)
