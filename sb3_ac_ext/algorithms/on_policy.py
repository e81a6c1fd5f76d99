"""The on-policy update, once for all algorithms: batches, an objective, optimizer steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.utils import explained_variance

from sb3_ac_ext.algorithms.losses import Scalar
from sb3_ac_ext.algorithms.rollouts import FastRollouts

Terms = dict[str, th.Tensor]


@dataclass(frozen=True)
class Batch:
    """Rows of a rollout, and the present policy's view of them; every tensor has shape (n,).

    :param values: of the present critic
    :param log_prob: of the actions taken, under the present policy
    :param entropy: of the present policy, ``None`` where it has no closed form
    :param old_values: of the critic that acted
    :param old_log_prob: under the policy that acted
    """

    values: th.Tensor
    log_prob: th.Tensor
    entropy: th.Tensor | None
    old_values: th.Tensor
    old_log_prob: th.Tensor
    advantages: th.Tensor
    returns: th.Tensor


class OnPolicyUpdate(FastRollouts):
    """Gives an on-policy algorithm its ``train()``; stands before a class of Stable-Baselines3.

    A variant overrides :meth:`objective`, or one of the parts that it is made of, and
    :meth:`coefficients` for what changes in the course of training.

    :param exact: be bit-identical to SB3 for the same seed; otherwise floating-point work may be
        done in another order
    """

    n_epochs: int = 1
    batch_size: Any = None
    target_kl: float | None = None

    def __init__(self, *args: Any, exact: bool = False, **kwargs: Any) -> None:
        self.exact = exact
        super().__init__(*args, **kwargs)

    def coefficients(self) -> dict[str, Scalar]:
        """What weighs the parts of the objective at this moment of training."""
        return {"ent_coef": self.ent_coef, "vf_coef": self.vf_coef}

    def objective(self, batch: Batch, coefs: Mapping[str, Scalar]) -> tuple[th.Tensor, Terms]:
        """The loss, and what is logged of it under SB3's names.

        :param coefs: of :meth:`coefficients`
        """
        raise NotImplementedError

    def train(self) -> None:
        """One update: every epoch over the rollout, unless ``target_kl`` ends it."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        coefs = self.coefficients()
        epochs: list[list[Terms]] = []
        going_on = True
        while going_on and len(epochs) < self.n_epochs:
            epochs.append([])
            for batch in self._batches():
                loss, terms = self.objective(batch, coefs)
                epochs[-1].append(terms)
                going_on = self._near_enough(terms, len(epochs) - 1)
                if not going_on:
                    break
                self._step(loss)
            self._n_updates += 1
        self._log([_table(epoch) for epoch in epochs], coefs)

    def _batches(self) -> Iterator[Batch]:
        for rows in self.rollout_buffer.get(self.batch_size):
            actions = rows.actions
            if isinstance(self.action_space, spaces.Discrete):
                actions = actions.long().flatten()
            values, log_prob, entropy = self.policy.evaluate_actions(rows.observations, actions)
            yield Batch(
                values.flatten(),
                log_prob,
                entropy,
                rows.old_values,
                rows.old_log_prob,
                rows.advantages,
                rows.returns,
            )

    def _step(self, loss: th.Tensor) -> None:
        self.policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()

    def _near_enough(self, terms: Terms, epoch: int) -> bool:
        """Whether the policy is still within ``target_kl`` of the one that acted."""
        if self.target_kl is None:
            return True
        kl = float(terms["approx_kl"])
        if kl <= 1.5 * self.target_kl:
            return True
        if self.verbose >= 1:
            print(f"Early stopping at step {epoch} due to reaching max kl: {kl:.2f}")
        return False

    def _log(
        self, epochs: list[dict[str, npt.NDArray[np.float32]]], coefs: Mapping[str, Scalar]
    ) -> None:
        """
        :param epochs: of each, name -> values of its batches
        """
        for name in epochs[0]:
            every = np.concatenate([epoch[name] for epoch in epochs])
            self.logger.record(f"train/{name}", every.astype(np.float64).mean())
        buffer = self.rollout_buffer
        explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        self.logger.record("train/explained_variance", explained)
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", th.exp(self.policy.log_std).mean().item())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")


def _table(terms: list[Terms]) -> dict[str, npt.NDArray[np.float32]]:
    """Values of an epoch's batches, read from the device at once."""
    with th.no_grad():
        rows = th.stack([th.stack(list(one.values())) for one in terms]).cpu().numpy()
    return {name: np.ascontiguousarray(rows[:, k]) for k, name in enumerate(terms[0])}
