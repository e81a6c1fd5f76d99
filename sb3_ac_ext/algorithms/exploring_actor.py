"""Exploring with SAC's or TD3's actor in NumPy, one observation at a time and often."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.sac import policies as sac
from stable_baselines3.td3 import policies as td3

from sb3_ac_ext.algorithms.acting import Dense, Floats, finite, flat
from sb3_ac_ext.algorithms.plain_policy import sees_plain_arrays

PLAIN = ((sac.SACPolicy, sac.Actor), (td3.TD3Policy, td3.Actor))


class ExploringActor:
    """What the actor's exploration gives for a few observations, before any action noise.

    :param actor: plain, see :func:`exploring_actor`; its memory is read at every call
    :raises TypeError: for layers other than those of :class:`~.acting.Dense`
    """

    def __init__(self, actor: Any) -> None:
        self._memory = _memory(actor)
        self._latent = self._log_std = None
        soft = isinstance(actor, sac.Actor)
        self._mean = Dense([actor.mu] if soft else [*actor.mu])
        if soft:
            heads: Any = actor
            self._latent, self._log_std = Dense([*heads.latent_pi]), Dense([heads.log_std])

    def fits(self, actor: Any) -> bool:
        """Whether the actor's parameters are still where they were."""
        return self._memory == _memory(actor)

    def __call__(self, observations: npt.NDArray[Any]) -> Floats:
        """
        :param observations: shape (n, ...)
        :return: actions in [-1, 1], shape (n, a)
        :raises ValueError: where SAC's are not finite, as SB3's would
        """
        x = flat(observations)
        if self._latent is None or self._log_std is None:
            return self._mean(x)
        latent = self._latent(x)
        mean = finite(self._mean(latent))
        deviation = np.exp(np.clip(self._log_std(latent), sac.LOG_STD_MIN, sac.LOG_STD_MAX))
        noise = th.empty(mean.shape).normal_().numpy()  # as torch's Normal draws it
        actions: Floats = np.tanh(mean + deviation * noise)
        return actions


def exploring_actor(policy: Any, known: ExploringActor | None) -> ExploringActor | None:
    """A policy's actor in NumPy; ``None`` for one that is more than an MLP on the CPU.

    :param known: the one of before, kept where it still fits
    """
    actor = policy.actor
    if known is not None and known.fits(actor):
        return known
    plain = (
        (type(policy), type(actor)) in PLAIN
        and sees_plain_arrays(policy, actor.features_extractor)
        and not getattr(actor, "use_sde", False)
        and not any(module._forward_hooks for module in actor.modules())
    )
    try:
        return ExploringActor(actor) if plain else None
    except TypeError:  # an activation that it does not know
        return None


def _memory(actor: Any) -> list[int]:
    return [parameter.data_ptr() for parameter in actor.parameters()]
