"""What every drop-in algorithm adds to the constructor of Stable-Baselines3's."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.her import HerReplayBuffer

from sb3_ac_ext.algorithms.compiled.processor import has_bf16
from sb3_ac_ext.algorithms.compiled.worth import long_enough
from sb3_ac_ext.algorithms.fused import fused
from sb3_ac_ext.algorithms.quick_copies import quick_copies
from sb3_ac_ext.algorithms.quick_modes import quick_modes
from sb3_ac_ext.algorithms.threads import chosen_threads
from sb3_ac_ext.clip_reward import VecClipReward
from sb3_ac_ext.schedules import Schedule, is_schedule, make_schedule

if TYPE_CHECKING:
    from typing_extensions import Self


HELPERS = ("_compiler", "_actor", "_explorer", "_backprop")
"""Attributes that are made anew from a model, and are no part of it."""


class DropIn(BaseAlgorithm):
    """Stands before a class of Stable-Baselines3, and takes its arguments.

    Where SB3 takes a schedule, ``lin_3e-4`` and the like are accepted, too; where it takes a number
    that :attr:`scheduled` lists, so is a schedule, if it is given by name. The attribute then holds
    the value in force, from the beginning of each update on, and is logged as ``train/<name>``.

    :param exact: be bit-identical to SB3 for the same seed; otherwise floating-point work may be
        done in another order: in rollouts and gradients of small policies, by optimizers that
        step all parameters at once, and by compiled steps.
    :param compile: take optimizer steps by a compiled graph. Another process builds it, while
        training goes on (or is waited for by the first update: ``"wait"``), once for all runs of
        the same shape. A first step must agree with an eager one. ``"auto"``: in runs of which two
        minutes are left after the first seconds, and not when ``exact``. When a graph is ready
        depends on the machine, and so do the last bits from then on. Updates that somebody
        watches through hooks of an optimizer, as DiagnosticsCallback does, are always eager.
    :param bf16: compiled steps multiply large matrices (both sides at least 64) in bfloat16, while
        weights, sums and thin layers stay in float32: faster on processors that do so themselves,
        and less precise. On others, with a warning, and while steps are eager it changes nothing.
    :param reward_clip: rewards are brought to at most this magnitude, after any normaliser, before
        the algorithm gets them; ``None`` for none
    :raises ValueError: for other values of ``compile``, and together with ``exact``; for ``bf16``
        with ``exact`` or without ``compile``; for what is no schedule, a clip that is not positive,
        and one beside a VecNormalize, from which SB3's off-policy algorithms take rewards as they
        were paid, or a hindsight replay, which computes rewards itself
    """

    scheduled: ClassVar[tuple[str, ...]] = ()
    """Arguments that SB3 takes as numbers and that may be schedules here."""

    def __init__(
        self,
        *args: Any,
        exact: bool = False,
        compile: bool | Literal["auto", "wait"] = "auto",
        bf16: bool = False,
        reward_clip: float | None = None,
        **kwargs: Any,
    ) -> None:
        _check_compile(compile, exact)
        bf16 = bf16 and _has_bf16(compile, exact)
        if reward_clip is not None and not reward_clip > 0.0:
            raise ValueError(
                f"reward_clip={reward_clip!r} is not accepted: give a positive number or None"
            )
        self.exact, self.compile, self.bf16, self.reward_clip = exact, compile, bf16, reward_clip
        self._compiler: Any = None
        self.schedules: dict[str, Schedule] = {}
        for name in self.scheduled:
            if is_schedule(kwargs.get(name)):
                self.schedules[name] = make_schedule(kwargs[name], name)
                kwargs[name] = self.in_force(name, 1.0)
        for name in ("learning_rate", "clip_range", "clip_range_vf"):
            if isinstance(kwargs.get(name), str):
                kwargs[name] = make_schedule(kwargs[name], name)
        if kwargs.get("policy_kwargs"):
            kwargs["policy_kwargs"] = dict(kwargs["policy_kwargs"])  # SB3 writes into it
        super().__init__(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """For copies: what reads this model's memory is not copied, a copy gets its own."""
        own = {name: None for name in HELPERS if name in self.__dict__}
        return {**self.__dict__, **own}

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), *HELPERS]

    def compiles(self, *optimizers: th.optim.Optimizer) -> bool:
        """Whether these optimizers' next steps are to be compiled ones, once there are such."""
        watched = any(optimizer._optimizer_step_pre_hooks for optimizer in optimizers)
        if self.compile is False or watched or self.exact:
            return False
        return self.compile != "auto" or self._compiler is not None or long_enough(self)

    def fast_steps(self, *optimizers: th.optim.Optimizer) -> AbstractContextManager[None]:
        """Within which these optimizers step faster, and round otherwise, unless ``exact``."""
        return nullcontext() if self.exact else fused(optimizers)

    def learn(self, *args: Any, **kwargs: Any) -> Self:
        """As SB3's, with as many threads as pay (see :mod:`.threads`)."""
        with chosen_threads(self), quick_copies(self.env), quick_modes(self.policy):
            return super().learn(*args, **kwargs)  # type: ignore[safe-super]

    def _setup_model(self) -> None:
        self._clip_rewards()
        super()._setup_model()  # type: ignore[safe-super]

    def get_env(self) -> VecEnv | None:
        """As it was given, without ``reward_clip``, so that wrappers match an evaluation's."""
        env = super().get_env()
        return env.venv if isinstance(env, VecClipReward) else env

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        super().set_env(env, force_reset)
        self._clip_rewards()

    def _clip_rewards(self) -> None:
        if self.reward_clip is None or self.env is None:
            return
        if isinstance(self, OffPolicyAlgorithm):
            if self._vec_normalize_env is not None:
                raise ValueError(
                    "reward_clip and VecNormalize cannot both be here: the replay buffer stores "
                    "rewards from before VecNormalize; give that clip_reward"
                )
            if self.replay_buffer_class is not None and issubclass(
                self.replay_buffer_class, HerReplayBuffer
            ):
                raise ValueError(
                    "reward_clip and HerReplayBuffer cannot both be here: hindsight computes "
                    "rewards itself, which nothing would clip"
                )
        self.env = VecClipReward(self.env, self.reward_clip)

    def in_force(self, name: str, progress_remaining: float) -> Any:
        """The value of a schedule.

        :param name: of the argument
        :param progress_remaining: 1 at the beginning of training, 0 at its end
        """
        value = self.schedules[name](progress_remaining)
        return round(value) if name == "batch_size" else value

    def follow_schedules(self) -> None:
        """Give every scheduled attribute its value for this update."""
        for name in self.schedules:
            value = self.in_force(name, self._current_progress_remaining)
            setattr(self, name, value)
            self.logger.record(f"train/{name}", value)


def _check_compile(compile: Any, exact: bool) -> None:
    if compile not in (False, True, "auto", "wait"):
        raise ValueError(f"compile={compile!r} is not accepted: give False, True, 'auto' or 'wait'")
    if exact and compile not in (False, "auto"):
        raise ValueError("exact=True and compile cannot both be: compiled updates round otherwise")


def _has_bf16(compile: Any, exact: bool) -> bool:
    """Whether ``bf16`` changes anything."""
    if exact or compile is False:
        raise ValueError("bf16=True is for compiled steps: not with exact=True or compile=False")
    if not has_bf16():
        warnings.warn("bf16=True changes nothing: this processor has no bfloat16", stacklevel=4)
        return False
    return True
