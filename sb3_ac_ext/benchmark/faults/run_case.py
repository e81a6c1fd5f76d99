"""One case: train with stock SB3 and the callback, then play the policy in a clean environment."""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_ac_ext import registry
from sb3_ac_ext.benchmark.faults.cases import Case, Scenario
from sb3_ac_ext.benchmark.faults.records import HISTORY, RESULT, Result, write_history, write_result
from sb3_ac_ext.benchmark.faults.subjects import truth_of
from sb3_ac_ext.config import Config, load_config
from sb3_ac_ext.faults import Injection
from sb3_ac_ext.faults import get as get_fault
from sb3_ac_ext.models import constructor_kwargs
from sb3_ac_ext.monitoring.callback import DiagnosticsCallback
from sb3_ac_ext.monitoring.canary_env import synchronise
from sb3_ac_ext.monitoring.history import History

EPISODES = 20
Returns = tuple[float, ...]
_CANARY_SEED, _EVAL_SEED, _FINAL_SEED = 30_000, 35_000, 40_000


class OutOfTime(Exception):
    """A case took longer than its limit."""


def run_case(
    case: Case, folder: Path, limit: float = 300.0, origin: Mapping[str, str] | None = None
) -> Result:
    """Record a case: whatever goes wrong in it is part of the result.

    Call it in the main thread of a process of its own, on Linux or macOS: the limit is an alarm.

    :param folder: where ``<slug>.jsonl.gz`` and then ``<slug>.json`` are written
    :param limit: seconds for training; afterwards it ends with an error, its history is kept
    :param origin: to note in the result
    """
    th.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history, result = _train(case, limit)
    result = replace(result, origin={**history.info.versions, **(origin or {})})
    write_history(folder / f"{case.slug}{HISTORY}", history)
    write_result(folder / f"{case.slug}{RESULT}", result)
    return result


def _train(case: Case, limit: float) -> tuple[History, Result]:
    injection = injection_of(case)
    truth = None if injection is None else truth_of(injection.fault)
    config = read_config(case.scenario)
    diagnostics = error = None
    model: BaseAlgorithm | None = None
    start = time.perf_counter()
    try:
        env = training_env(case, config, injection)
        canary = evaluation_env(case.scenario, config, _CANARY_SEED, 10, injection)
        model = make_model(case, config, env, injection)
        # ten evaluations whatever the clock says: results must not depend on the machine's load
        diagnostics = DiagnosticsCallback(
            verbose=0, canary_env=canary, canary_freq=case.scenario.budget // 10, canary_share=1.0
        )
        callbacks = [diagnostics, _evaluation(case.scenario, config, injection)]
        start = time.perf_counter()
        with nullcontext() if injection is None else injection.model(model), alarm(limit):
            _learn(model, case.scenario.budget, callbacks)
    except Exception as caught:
        error = one_line(caught)
    seconds = time.perf_counter() - start
    began = 0 if injection is None else onset(injection, case.scenario)
    result = Result(case, seconds=round(seconds, 2), error=error, truth=truth, onset=began)
    if model is None:
        return History(), result
    returns, own = _final_returns(model, case.scenario, config, injection)
    history = History() if diagnostics is None else diagnostics.history
    return history, replace(result, steps=model.num_timesteps, returns=returns, own_returns=own)


def injection_of(case: Case) -> Injection | None:
    """The case's fault, ready to be injected; ``None`` for a healthy run."""
    return None if case.fault is None else Injection(get_fault(case.fault), case.severity)


def one_line(error: Exception) -> str:
    """What an exception says, in a line of at most 300 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def onset(injection: Injection, scenario: Scenario) -> int:
    """Environment step at which a fault begins, 0 for one that is there from the start."""
    fault = injection.fault
    severity = fault.severity if injection.severity is None else injection.severity
    if "steps of one worker until" in fault.unit:
        return int(severity * scenario.n_envs)
    return int(severity * scenario.budget) if "share of the budget until" in fault.unit else 0


def _learn(model: BaseAlgorithm, budget: int, callbacks: list[BaseCallback]) -> None:
    try:
        model.learn(budget, callback=callbacks)
    except Exception as error:
        for callback in callbacks:
            if isinstance(callback, DiagnosticsCallback):
                callback.close(error)
        raise


def _evaluation(scenario: Scenario, config: Config, injection: Injection | None) -> EvalCallback:
    """As most runs have one; what the fault breaks in evaluations is broken in it."""
    env = evaluation_env(scenario, config, _EVAL_SEED, 2, injection)
    every = max(1, scenario.budget // (4 * scenario.n_envs))
    return EvalCallback(env, n_eval_episodes=2, eval_freq=every, verbose=0, warn=False)


@contextmanager
def alarm(limit: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` after so many seconds; in a main thread only."""

    def ring(signum: int, frame: Any) -> None:
        raise OutOfTime(f"not done after {limit:g} s")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)


def read_config(scenario: Scenario) -> Config:
    """The settings of a scenario, from ``hyperparams/*.yml`` and its overrides."""
    entry = scenario.env_id if scenario.settings == "tuned" else "default"
    overrides = {**scenario.overrides, "n_envs": scenario.n_envs}
    return load_config(scenario.algo, entry, None, overrides, scenario.budget)


def training_env(case: Case, config: Config, injection: Injection | None) -> VecEnv:
    """Workers as ``make_vec_env`` makes them, with ``Monitor`` outside the fault's wrapper."""
    made = iter(range(case.scenario.n_envs))

    def make(**kwargs: Any) -> gym.Env[Any, Any]:
        env: gym.Env[Any, Any] = gym.make(case.scenario.env_id, **kwargs)
        worker = next(made)
        return env if injection is None else injection.env(env, worker)

    env: VecEnv = make_vec_env(make, n_envs=case.scenario.n_envs, seed=case.seed)
    if config.environment.normalize is not None:
        env = VecNormalize(env, **config.environment.normalize)
    return env if injection is None else injection.vec_env(env)


def evaluation_env(
    scenario: Scenario, config: Config, seed: int, n_envs: int, injection: Injection | None = None
) -> VecEnv:
    """An environment to evaluate in, with frozen statistics where training normalises.

    :param injection: what is broken in it; by default it is clean
    """
    env: VecEnv = make_vec_env(scenario.env_id, n_envs=n_envs, seed=seed)
    if config.environment.normalize is not None:
        kwargs = {**config.environment.normalize, "training": False, "norm_reward": False}
        env = VecNormalize(env, **kwargs)
    return env if injection is None else injection.eval_env(env)


def make_model(
    case: Case, config: Config, env: VecEnv, injection: Injection | None
) -> BaseAlgorithm:
    """SB3's own class, with the scenario's settings as the fault edits them."""
    kwargs = constructor_kwargs(config, env, case.scenario.env_id)
    if "policy_kwargs" in kwargs:  # SB3 writes into it
        kwargs["policy_kwargs"] = dict(kwargs["policy_kwargs"] or {})
    kwargs["seed"] = case.seed
    if injection is not None:
        kwargs = injection.kwargs(kwargs)
    return registry.algorithm(case.scenario.algo)(env=env, device="cpu", **kwargs)


def _final_returns(
    model: BaseAlgorithm, scenario: Scenario, config: Config, injection: Injection | None
) -> tuple[Returns, Returns | None]:
    """In a clean environment, and in that of the fault where it changes the task itself."""
    clean = play(model, evaluation_env(scenario, config, _FINAL_SEED, 10))
    if injection is None or not changes_task(injection):
        return clean, None
    return clean, play(model, evaluation_env(scenario, config, _FINAL_SEED, 10, injection))


def changes_task(injection: Injection) -> bool:
    """Whether training and evaluation are changed alike, so that a clean environment is another
    task than the one that was trained for."""
    seams = injection.fault.seams
    return "eval_env" in seams and ("env" in seams or "vec_env" in seams)


def play(model: BaseAlgorithm, env: VecEnv) -> Returns:
    """Returns of the deterministic policy; none when it cannot act, as with weights that are NaN.

    :param env: to play in, closed afterwards; its normalisers take training's statistics
    """
    train_env = model.get_env()
    try:
        if train_env is not None:
            synchronise(train_env, env)
        with np.errstate(all="ignore"):
            returns, _ = evaluate_policy(
                model, env, EPISODES, deterministic=True, return_episode_rewards=True, warn=False
            )
    except Exception:
        return ()
    finally:
        env.close()
    return tuple(float(value) for value in returns)  # type: ignore[union-attr]
