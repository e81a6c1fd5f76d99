"""What automatic remedies are worth: clean return, broken return, and return with the actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import mean
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ac_ext.monitoring.actions import (
    Action,
    ClipRewards,
    RollBack,
    ScaleLearningRate,
    SetEntropyCoefficient,
)

TARGET = 0.8
"""Share of the clean return that a remedied run should reach."""

_EPISODES = 20
_PPO_STEPS, _A2C_STEPS, _SAC_STEPS = 50_000, 80_000, 8_000
_BEGIN = 0.4
"""Share of the budget after which a fault begins."""


@dataclass(frozen=True)
class Trial:
    """One fault with its remedy, on one task.

    :param worst: return of a policy that learnt nothing, from which shares are counted
    :param make: seed, whether broken -> model and the callbacks that break it
    :param actions: makes what ``DiagnosticsCallback(actions=...)`` is given
    """

    name: str
    task: str
    timesteps: int
    worst: float
    make: Callable[[int, bool], tuple[BaseAlgorithm, list[BaseCallback]]]
    actions: Callable[[], Mapping[str, Sequence[Action]]]


@dataclass(frozen=True)
class RemedyResult:
    """Returns of one fault, each per seed: means of 20 episodes in a clean environment, with
    actions sampled as in training, since the greedy action hides how random a policy became.

    :param clean: without the fault
    :param broken: with it, watched only
    :param remedied: with it and the actions
    :param acted: how many actions were taken, and did not fail
    """

    fault: str
    task: str
    worst: float
    clean: tuple[float, ...]
    broken: tuple[float, ...]
    remedied: tuple[float, ...]
    acted: tuple[int, ...]

    @property
    def recovered(self) -> float:
        """Of what the fault cost: (remedied - broken) / (clean - broken), over means."""
        lost = mean(self.clean) - mean(self.broken)
        return (mean(self.remedied) - mean(self.broken)) / lost if lost > 0.0 else float("nan")

    @property
    def share(self) -> float:
        """Of the clean return, counted from the worst: returns may be negative."""
        return (mean(self.remedied) - self.worst) / (mean(self.clean) - self.worst)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "recovered": self.recovered, "share": self.share}


def run_remedies(
    seeds: Sequence[int], names: Sequence[str] | None = None, say: Callable[[str], None] = print
) -> list[RemedyResult]:
    """Train every trial three times per seed.

    :param seeds: at least one
    :param names: of the trials to run; all when not given
    :param say: told what is being run
    """
    chosen = [trial for trial in trials() if names is None or trial.name in names]
    return [_result(trial, seeds, say) for trial in chosen]


def trials() -> list[Trial]:
    """The faults: each begins in the middle of a run that has learnt something by then."""
    return [
        Trial(
            "learning rate jumps 300-fold",
            "ppo CartPole-v1",
            _PPO_STEPS,
            9.0,
            partial(_cartpole_ppo, rate_factor=300.0),
            lambda: {"critical": _slower(0.01)},
        ),
        Trial(
            "learning rate jumps 100-fold",
            "a2c CartPole-v1",
            _A2C_STEPS,
            9.0,
            _cartpole_a2c,
            # A2C's critical findings come when too little of the budget is left to learn again
            lambda: {"warning": _slower(0.1)},
        ),
        Trial(
            "ent_coef jumps to 20",
            "ppo CartPole-v1",
            _PPO_STEPS,
            9.0,
            partial(_cartpole_ppo, ent_coef=20.0),
            lambda: {"warning": [RollBack(times=3), SetEntropyCoefficient(value=0.0, times=3)]},
        ),
        Trial(
            "one worker pays outliers",
            "ppo CartPole-v1",
            _PPO_STEPS,
            9.0,
            partial(_cartpole_ppo, outliers=(3,)),
            lambda: {"warning": [RollBack(times=3), ClipRewards(1.0)]},
        ),
        Trial(
            "all workers pay outliers",
            "ppo CartPole-v1",
            _PPO_STEPS,
            9.0,
            partial(_cartpole_ppo, outliers=tuple(range(8))),
            lambda: {"warning": [RollBack(times=3), ClipRewards(1.0)]},
        ),
        Trial(
            "outliers",
            "sac Pendulum-v1",
            _SAC_STEPS,
            -1400.0,
            _pendulum_sac,
            lambda: {"warning": [RollBack(times=3), ClipRewards(20.0)]},
        ),
    ]


def _slower(factor: float) -> list[Action]:
    return [RollBack(times=3), ScaleLearningRate(factor, times=3)]


def _result(trial: Trial, seeds: Sequence[int], say: Callable[[str], None]) -> RemedyResult:
    returns: dict[str, list[float]] = {"clean": [], "broken": [], "remedied": []}
    acted = []
    for seed in seeds:
        for kind, row in returns.items():
            found, done = _run(trial, seed, kind != "clean", kind == "remedied")
            say(f"{trial.name} ({trial.task}), seed {seed}: {kind} {found:.1f}")
            row.append(found)
        acted.append(done)
    rows = {kind: tuple(row) for kind, row in returns.items()}
    return RemedyResult(trial.name, trial.task, trial.worst, **rows, acted=tuple(acted))


def _run(trial: Trial, seed: int, broken: bool, remedied: bool) -> tuple[float, int]:
    from sb3_ac_ext.monitoring.callback import DiagnosticsCallback

    model, faults = trial.make(seed, broken)
    actions = trial.actions() if remedied else None
    callback = DiagnosticsCallback(canary_freq=0, actions=actions, verbose=0)
    model.learn(trial.timesteps, callback=[*faults, callback])
    env = make_vec_env(trial.task.split()[1], n_envs=5, seed=seed + 10_000)
    found, _ = evaluate_policy(model, env, _EPISODES, deterministic=False)
    return float(np.mean(found)), sum(not event.failed for event in callback.history.events)


# ---------------------------------------------------------------- the faults


class _Outliers(gym.Wrapper[Any, Any, Any, Any]):
    """From its own step ``begin`` on, one reward in ``every`` is ``size``, of either sign."""

    def __init__(self, env: gym.Env[Any, Any], begin: int, every: int, size: float, seed: int):
        super().__init__(env)
        self._left, self._every, self._size = begin, every, size
        self._random = np.random.default_rng(seed)

    def step(self, action: Any) -> Any:
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._left -= 1
        if self._left < 0 and self._random.random() < 1.0 / self._every:
            reward = self._size * self._random.choice([-1.0, 1.0])
        return obs, reward, terminated, truncated, info


class _EntropyJump(BaseCallback):
    """Sets ``ent_coef`` once, as an edited schedule would."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value
        self._done = False

    def _on_step(self) -> bool:
        model: Any = self.model
        if not self._done and self.num_timesteps >= _BEGIN * model._total_timesteps:
            self._done = True
            model.ent_coef = self.value
        return True


def _jumping(rate: float, factor: float) -> Callable[[float], float]:
    """Decays linearly, but for the jump."""

    def schedule(progress_remaining: float) -> float:
        jump = factor if progress_remaining < 1.0 - _BEGIN else 1.0
        return rate * jump * progress_remaining

    return schedule


def _envs(
    env_id: str, n_envs: int, seed: int, outliers: Sequence[int], begin: int, size: float
) -> DummyVecEnv:
    """Workers, some of which pay outliers; ``Monitor`` below them counts clean returns."""

    def worker(index: int) -> gym.Env[Any, Any]:
        env: gym.Env[Any, Any] = Monitor(gym.make(env_id))
        return _Outliers(env, begin, 100, size, seed + index) if index in outliers else env

    envs = DummyVecEnv([partial(worker, index) for index in range(n_envs)])
    envs.seed(seed)
    return envs


def _cartpole_ppo(
    seed: int,
    broken: bool,
    rate_factor: float = 1.0,
    ent_coef: float | None = None,
    outliers: Sequence[int] = (),
) -> tuple[BaseAlgorithm, list[BaseCallback]]:
    begin = int(_BEGIN * _PPO_STEPS / 8)
    model = PPO(
        "MlpPolicy",
        _envs("CartPole-v1", 8, seed, outliers if broken else (), begin, 1e4),
        # a decaying rate would shrug the outliers off: they would meet a policy that hardly moves
        learning_rate=1e-3 if outliers else _jumping(2e-3, rate_factor if broken else 1.0),
        n_steps=128,
        batch_size=256,
        gae_lambda=0.8,
        gamma=0.98,
        seed=seed,
        device="cpu",
    )
    return model, [_EntropyJump(ent_coef)] if broken and ent_coef is not None else []


def _cartpole_a2c(seed: int, broken: bool) -> tuple[BaseAlgorithm, list[BaseCallback]]:
    model = A2C(
        "MlpPolicy",
        _envs("CartPole-v1", 8, seed, (), 0, 0.0),
        learning_rate=_jumping(2e-3, 100.0 if broken else 1.0),
        n_steps=32,
        gamma=0.98,
        seed=seed,
        device="cpu",
    )
    return model, []


def _pendulum_sac(seed: int, broken: bool) -> tuple[BaseAlgorithm, list[BaseCallback]]:
    model = SAC(
        "MlpPolicy",
        _envs("Pendulum-v1", 1, seed, (0,) if broken else (), int(_BEGIN * _SAC_STEPS), 1e4),
        learning_rate=2e-3,
        batch_size=128,
        gamma=0.98,
        learning_starts=200,
        policy_kwargs={"net_arch": [64, 64]},
        seed=seed,
        device="cpu",
    )
    return model, []
