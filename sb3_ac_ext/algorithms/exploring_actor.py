"""Exploring with SAC's or TD3's actor in NumPy, one observation at a time and often."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.sac import policies as sac
from stable_baselines3.td3 import policies as td3
from torch import nn

from sb3_ac_ext.algorithms.acting import Dense, Floats, finite, flat
from sb3_ac_ext.algorithms.plain_policy import sees_plain_arrays
from sb3_ac_ext.algorithms.structure import Structure

PLAIN = ((sac.SACPolicy, sac.Actor), (td3.TD3Policy, td3.Actor))


class ExploringActor:
    """What the actor's exploration gives for a few observations, before any action noise.

    :param actor: plain, see :func:`exploring_actor`; its memory is read at every call
    :raises TypeError: for layers other than those of :class:`~.acting.Dense`
    """

    def __init__(self, actor: Any) -> None:
        self._networks = [Dense(layers) for layers in _networks(actor)]
        self._owner, self._structure = actor, Structure(actor)
        self._addresses = self._structure.addresses

    def fits(self, actor: Any) -> bool:
        """Whether it is still that actor's."""
        return (
            actor is self._owner
            and self._structure.whole
            and self._structure.addresses == self._addresses
        )

    @property
    def watched(self) -> bool:
        """Whether somebody looks into the actor's forward passes, and would see nothing here."""
        return self._structure.forward

    def __call__(self, observations: npt.NDArray[Any]) -> Floats:
        """
        :param observations: shape (n, ...)
        :return: actions in [-1, 1], shape (n, a)
        :raises ValueError: where SAC's are not finite, as SB3's would
        """
        x = flat(observations)
        mean_of, *soft = self._networks
        if not soft:
            return mean_of(x)
        latent_of, log_std_of = soft
        latent = latent_of(x)
        mean = finite(mean_of(latent))
        deviation = np.exp(np.clip(log_std_of(latent), sac.LOG_STD_MIN, sac.LOG_STD_MAX))
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
    )
    try:
        return ExploringActor(actor) if plain else None
    except TypeError:  # an activation that it does not know
        return None


def _networks(actor: Any) -> list[list[nn.Module]]:
    """Layers of the mean; of SAC's actor also those before it, and those of log_std beside it."""
    if isinstance(actor, sac.Actor):
        soft: Any = actor
        return [[soft.mu], [*soft.latent_pi], [soft.log_std]]
    return [[*actor.mu]]
