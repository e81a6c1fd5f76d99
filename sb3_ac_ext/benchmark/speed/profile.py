"""Where the time of a run goes: microseconds per environment step, part by part."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from unittest.mock import patch

import torch as th

from sb3_ac_ext.benchmark.speed.works import COMPILED, EAGER, SB3, SIDES, Side, Work

PARTS = (
    "environment", "rollouts besides", "batches", "losses", "gradients", "clipping", "optimizer",
    "the rest",
)  # fmt: skip
"""``losses`` holds all of an update that no other part does, a compiled step as a whole too."""
PROFILED = tuple(
    s for s in SIDES if s.name in (EAGER, COMPILED) or (s.package, s.threads) == (SB3, 1)
)
"""Sides that are: Stable-Baselines3 on one thread, and ours."""
_ACTING, _CALLS = 8, 300


@dataclass(frozen=True)
class Profile:
    """
    :param parts: microseconds per environment step, by the names of :data:`PARTS`
    :param acting: microseconds in which the policy of an on-policy side acts on 8 observations
    """

    work: str
    side: str
    parts: dict[str, float]
    acting: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Stopwatch:
    """Seconds of parts, each without those inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running = "the rest"
        self._since = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time goes to this part inside, and to the one before afterwards."""
        before = self._running
        self._switch(name)
        try:
            yield
        finally:
            self._switch(before)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, as a part."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        return call

    def _switch(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[self._running] += now - self._since
        self._running, self._since = name, now


def profile(work: Work, side: Side, timesteps: int | None = None) -> Profile:
    """A run on one thread, after a short one that fills caches.

    :param timesteps: of the run, by default the work's
    """
    threads, steps = th.get_num_threads(), timesteps or work.timesteps
    th.set_num_threads(1)
    try:
        return _profiled(work, side, steps)
    finally:
        th.set_num_threads(threads)


def _profiled(work: Work, side: Side, steps: int) -> Profile:
    work.make(side).learn(steps // 4)
    model = work.make(side)
    watch = Stopwatch()
    with ExitStack() as stack:
        for owner, name, part in _timed(model):
            wrapped = watch.timed(part, getattr(owner, name))
            stack.enter_context(patch.object(owner, name, wrapped))
        with watch.part("the rest"):
            model.learn(steps)
    per_step = 1e6 / model.num_timesteps
    parts = {part: watch.seconds[part] * per_step for part in PARTS}
    return Profile(work.name, side.name, parts, acting(model))


def _timed(model: Any) -> list[tuple[Any, str, str]]:
    """Owner and name of what is timed, and the part that it belongs to."""
    from sb3_ac_ext.algorithms.backprop.step import Backprop

    off_policy = hasattr(model, "replay_buffer")
    buffer = model.replay_buffer if off_policy else model.rollout_buffer
    networks = (model.actor, model.critic) if off_policy else (model.policy,)
    optimizers = [network.optimizer for network in networks]
    if getattr(model, "ent_coef_optimizer", None) is not None:
        optimizers.append(model.ent_coef_optimizer)
    return [
        (model.env, "step", "environment"),
        (model, "collect_rollouts", "rollouts besides"),
        (model, "train", "losses"),
        (buffer, "sample" if off_policy else "_get_samples", "batches"),
        (th.Tensor, "backward", "gradients"),
        (Backprop, "differentiate", "gradients"),
        (th.nn.utils, "clip_grad_norm_", "clipping"),
        (Backprop, "clip", "clipping"),
        *((optimizer, "step", "optimizer") for optimizer in optimizers),
    ]


def acting(model: Any) -> float | None:
    """Microseconds per call of what an on-policy model's rollouts act with, sampling included."""
    if not hasattr(model, "rollout_buffer"):
        return None
    from sb3_ac_ext.algorithms.acting import numpy_actor
    from sb3_ac_ext.algorithms.rollouts import FastRollouts

    space = model.observation_space
    rows = th.stack([th.as_tensor(space.sample()) for _ in range(_ACTING)])
    fast = numpy_actor(model.policy) if isinstance(model, FastRollouts) else None

    def act() -> Any:
        if fast is not None:
            return fast(rows.numpy())
        actions, values, log_probs = model.policy(rows)
        return actions.numpy(), values, log_probs

    taken = []
    with th.no_grad():
        for _ in range(_CALLS):
            start = time.perf_counter()
            act()
            taken.append(time.perf_counter() - start)
    return sorted(taken)[_CALLS // 2] * 1e6
