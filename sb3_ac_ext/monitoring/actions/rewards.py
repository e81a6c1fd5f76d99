"""Clip the rewards of a training environment that is in use."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from sb3_ac_ext.checkpoints.rows import mark_rewritten
from sb3_ac_ext.monitoring.actions.base import Action, Case, require_number

_NAME = "step_wait"
_ABSENT = object()


class ClipRewards(Action):
    """From now on until the end of ``learn()``, keep every reward within ``limit`` of zero.

    Rewards are clipped before a ``VecNormalize``, whose statistics outliers would spoil, and as the
    replay buffer stores them. No wrapper is added, since SB3 compares the stacks of training and
    evaluation environments: the present environment's ``step_wait`` is bracketed. ``Monitor`` and
    the returns that it reports stay as they are.

    :param limit: largest absolute reward, in the environment's own unit
    :param stored: also clip what the replay buffer holds already
    :param times: how often at most for findings of one detector and worker
    :raises ValueError: for a limit that is not a positive number
    """

    name = "clip_rewards"

    def __init__(self, limit: float, stored: bool = True, times: int = 1) -> None:
        super().__init__(times)
        require_number("limit", limit, "a positive number")
        self.limit = float(limit)
        self.stored = stored
        self._active = False
        self._env: VecEnv | None = None
        self._previous: Any = _ABSENT

    def start(self, model: Any, step: int, fresh: bool) -> None:
        super().start(model, step, fresh)
        self.end()
        self._active = self._active and not fresh
        if self._active:
            self._attach(model)

    def apply(self, case: Case) -> str:
        self._attach(case.model)
        self._active = True
        buffer = getattr(case.model, "replay_buffer", None)
        text = f"rewards are clipped to {self.limit:g}"
        if not self.stored or buffer is None:
            return text
        beyond = int((np.abs(buffer.rewards) > self.limit).sum())
        np.clip(buffer.rewards, -self.limit, self.limit, out=buffer.rewards)
        if beyond:
            mark_rewritten(buffer)
        # checkpoints write rows once, unless told
        buffer.rows_rewritten = getattr(buffer, "rows_rewritten", 0) + 1
        return f"{text}, {beyond:,} stored ones too"

    def _attach(self, model: Any) -> None:
        if self._env is not None:
            return
        env = model.get_env()
        normaliser = unwrap_vec_normalize(env)
        self._env = target = env if normaliser is None else normaliser.venv
        self._previous = target.__dict__.get(_NAME, _ABSENT)
        step_wait, limit = target.step_wait, self.limit

        def clipped() -> Any:
            obs, rewards, dones, infos = step_wait()
            return obs, np.clip(rewards, -limit, limit), dones, infos

        target.__dict__[_NAME] = clipped

    def end(self) -> None:
        """Leave the environment as it was; a ``learn()`` that goes on clips again."""
        env, self._env = self._env, None
        if env is None:
            return
        if self._previous is _ABSENT:
            env.__dict__.pop(_NAME, None)
        else:
            env.__dict__[_NAME] = self._previous
