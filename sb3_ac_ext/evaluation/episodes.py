"""Episodes of a policy, each known by its seed, played without a trace in the model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, is_vecenv_wrapped

from sb3_ac_ext.evaluation.masks import action_masks
from sb3_ac_ext.monitoring.exploring import exploring
from sb3_ac_ext.monitoring.neutral import undisturbed


@dataclass(frozen=True)
class Episode:
    """
    :param seed: that its worker was reset with; the worker's later episodes follow without one
    :param total_reward: its return, undiscounted, as ``Monitor`` counts it where there is one
    :param length: in steps
    :param is_success: ``info["is_success"]`` at its end, ``None`` where the environment tells none
    """

    seed: int
    total_reward: float
    length: int
    is_success: bool | None = None


def play_episodes(
    model: BaseAlgorithm,
    env: VecEnv,
    seeds: Sequence[int],
    episodes: int,
    deterministic: bool = True,
    render: bool = False,
) -> list[Episode]:
    """Each seed is one worker's stream of episodes, and has its share of them.

    How many episodes a worker plays is fixed beforehand, so that short ones do not count more, and
    a seed's episodes do not depend on how many workers play beside it. Random generators, modes
    and noise of the model are after it what they were before it.

    :param model: whose policy acts
    :param env: not the training environment; its normaliser must not train
    :param seeds: at least one, all different
    :param episodes: in all; the first seeds play one more where they do not divide
    :param deterministic: the greedy action, or one as ``model.predict(deterministic=False)`` draws
        it, with gSDE's noise drawn anew as often as in training
    :param render: show every step
    :return: by seed, then in the order in which they were played
    """
    quotas = [episodes // len(seeds) + (i < episodes % len(seeds)) for i in range(len(seeds))]
    monitored = is_vecenv_wrapped(env, VecMonitor) or env.env_is_wrapped(Monitor)[0]
    played: list[Episode] = []
    with undisturbed(model):
        for start in range(0, len(seeds), env.num_envs):
            part = slice(start, start + env.num_envs)
            _seed_generators(seeds[start], model.device)
            actor_of = (
                nullcontext(model)
                if deterministic
                else exploring(model, env.num_envs, with_action_noise=False)
            )
            with actor_of as actor:
                side = _SideBySide(actor, env, seeds[part], quotas[part], monitored)
                played.extend(side.play(deterministic, render))
    return played


def seed_workers(env: VecEnv, seeds: Sequence[int]) -> None:
    """
    :param env: whose next reset they are for
    :param seeds: of the first workers; the others get some that count up from the last
    """
    env.seed(seeds[0])
    wanted: list[int | None] = [
        *seeds,
        *(seeds[-1] + 1 + i for i in range(env.num_envs - len(seeds))),
    ]
    if wanted != list(range(seeds[0], seeds[0] + env.num_envs)):
        env.unwrapped._seeds = wanted  # seed() itself only counts up


def _seed_generators(seed: int, device: th.device) -> None:
    """Of sampled actions, and of environments that draw from global generators."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    th.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with th.cuda.device(device):
            th.cuda.manual_seed(seed)
    elif device.type == "mps":
        th.mps.manual_seed(seed)


class _SideBySide:
    """One worker per seed, each with a number of episodes of its own."""

    def __init__(
        self, actor: Any, env: VecEnv, seeds: Sequence[int], quotas: Sequence[int], monitored: bool
    ) -> None:
        self._actor, self._env, self._seeds, self._monitored = actor, env, seeds, monitored
        self._quotas = [*quotas, *[0] * (env.num_envs - len(quotas))]
        self._found: list[list[Episode]] = [[] for _ in self._quotas]
        self._totals = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=int)

    def play(self, deterministic: bool, render: bool) -> list[Episode]:
        env, states = self._env, None
        seed_workers(env, self._seeds)
        observations, starts = env.reset(), np.ones(env.num_envs, dtype=bool)
        while any(self._is_due(worker) for worker in range(env.num_envs)):
            actions, states = self._actor.predict(
                observations,
                state=states,
                episode_start=starts,
                deterministic=deterministic,
                **action_masks(self._actor, env),
            )
            observations, rewards, starts, infos = env.step(actions)
            self._totals += rewards
            self._lengths += 1
            for worker in np.flatnonzero(starts):
                self._end(int(worker), infos[worker])
            if render:
                env.render()
        return [episode for episodes in self._found for episode in episodes]

    def _is_due(self, worker: int) -> bool:
        return len(self._found[worker]) < self._quotas[worker]

    def _end(self, worker: int, info: dict[str, Any]) -> None:
        if self._monitored and "episode" not in info:
            return  # Atari's wrapper ends with every life what Monitor counts as one episode
        if self._is_due(worker):
            success = info.get("is_success")
            told = info["episode"] if self._monitored else {}
            self._found[worker].append(
                Episode(
                    self._seeds[worker],
                    float(told.get("r", self._totals[worker])),
                    int(told.get("l", self._lengths[worker])),
                    None if success is None else bool(success),
                )
            )
        self._totals[worker] = self._lengths[worker] = 0
