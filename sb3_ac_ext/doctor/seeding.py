"""Checks of seeds: workers must differ, and the same seed must give the same episode."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from sb3_ac_ext.doctor.exploration import Experience
from sb3_ac_ext.doctor.layout import Layout
from sb3_ac_ext.doctor.records import Check, Status
from sb3_ac_ext.doctor.subject import Env, Subject

N_WORKERS = 4
_STEPS = 50


def workers(subject: Subject, experience: Experience) -> Check:
    """Workers with seeds of their own must not begin alike.

    :param subject: the environment
    :param experience: of a random policy in one worker
    """
    name = "worker seeds"
    factory = subject.workers(N_WORKERS)
    try:
        env = factory.training(subject.seed)
        layout = Layout(env.observation_space)
        starts = _split(env.reset(), N_WORKERS)
    finally:
        factory.close()
    distinct = len({layout.vector(start).tobytes() for start in starts})
    message = f"{distinct} different start{'s' * int(distinct > 1)} among {N_WORKERS} workers"
    if distinct > 1:
        return Check(name, Status.OK, message)
    begun = {episode.observations[0].tobytes() for episode in experience.episodes}
    if len(begun) > 1:
        message = f"{message}, though the resets of one worker give {len(begun)} observations"
        remedy = "draw from self.np_random after super().reset(seed=seed), from no generator else"
        return Check(name, Status.FAIL, message, remedy)
    message = f"{message}: every reset gives the same observation, whatever the seed"
    return Check(
        name, Status.NOTE, message, "if the start should vary, draw it from self.np_random"
    )


def determinism(subject: Subject) -> Check:
    """The same seed and actions twice.

    :param subject: the environment
    """
    name = "determinism"
    with subject.single() as env:
        first, second = (trajectory(env, subject.seed) for _ in range(2))
    with subject.single() as env:
        anew = trajectory(env, subject.seed)
    if _equal(first, second) and _equal(first, anew):
        return Check(name, Status.OK, f"the same {len(first)} steps from the same seed, 3 times")
    if subject.spec.nondeterministic:
        return Check(name, Status.NOTE, "none, as its registration says (nondeterministic=True)")
    if _close(first, second) and _close(first, anew):
        return Check(name, Status.OK, f"the same {len(first)} steps from the same seed up to 1e-5")
    message = f"the same seed and actions give other steps {_where(first, second, anew)}"
    if _equal(first, anew):
        message = f"{message}; something in it is left over from before the reset"
    elif _with_global_seed(subject):
        message = f"{message}; they depend on the global generators of NumPy or Python"
    remedy = "draw from self.np_random only, after super().reset(seed=seed)"
    return Check(name, Status.WARNING, message, remedy)


def trajectory(env: Env, seed: int, n_steps: int = _STEPS) -> np.ndarray:
    """Observations with reward and done of each step, over ends of episodes.

    :param env: the environment
    :param seed: of reset and actions
    :param n_steps: how many
    :return: of shape (n_steps + 1, n + 2)
    """
    layout = Layout(env.observation_space)
    env.action_space.seed(seed)
    observation, _ = env.reset(seed=seed)
    rows = [np.append(layout.vector(observation), (0.0, 0.0))]
    for _ in range(n_steps):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        done = terminated or truncated
        rows.append(np.append(layout.vector(observation), (float(reward), float(done))))
        if done:
            observation, _ = env.reset()
            rows[-1][:-2] += layout.vector(observation)  # the next start counts too
    return np.stack(rows)


def _split(observations: Any, count: int) -> list[Any]:
    if isinstance(observations, dict):
        return [{key: part[i] for key, part in observations.items()} for i in range(count)]
    if isinstance(observations, tuple):
        return [tuple(part[i] for part in observations) for i in range(count)]
    return list(observations)


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    return np.allclose(one, other, rtol=1e-5, atol=1e-5, equal_nan=True)


def _where(first: np.ndarray, second: np.ndarray, anew: np.ndarray) -> str:
    other = anew if _equal(first, second) else second
    step = int(np.argmax(np.any(first != other, axis=1)))
    what = "in a new environment" if other is anew else "after another reset"
    return f"{what}, from {'the reset' if step == 0 else f'step {step}'} on"


def _with_global_seed(subject: Subject) -> bool:
    """Whether seeding the global generators makes it deterministic; they are left as they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        rows = []
        for _ in range(2):
            random.seed(subject.seed)
            np.random.seed(subject.seed)  # noqa: NPY002
            with subject.single() as env:
                rows.append(trajectory(env, subject.seed))
        return _equal(*rows)
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
