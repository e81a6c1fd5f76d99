"""The on-policy update, once for all algorithms: batches, an objective, optimizer steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.utils import explained_variance

from sb3_ac_ext.algorithms import log_std, losses
from sb3_ac_ext.algorithms.critic import CriticSettings
from sb3_ac_ext.algorithms.drop_in import DropIn
from sb3_ac_ext.algorithms.losses import Scalar
from sb3_ac_ext.algorithms.rollouts import FastRollouts

if TYPE_CHECKING:
    from sb3_ac_ext.algorithms.backprop.step import Backprop
    from sb3_ac_ext.algorithms.compiled.rollout_update import RolloutUpdate

Terms = dict[str, th.Tensor]


@dataclass(frozen=True)
class Told:
    """What optimizer steps tell of their losses.

    :param names: of the terms
    :param values: shape (k,), of one step, or (k, n) of several
    """

    names: tuple[str, ...]
    values: th.Tensor

    @classmethod
    def of(cls, terms: Terms) -> Told:
        with th.no_grad():
            return cls(tuple(terms), th.stack(list(terms.values())))

    @classmethod
    def of_all(cls, steps: Sequence[Told]) -> Told:
        """One for all steps, read from the device at once."""
        return cls(steps[0].names, th.stack([step.values for step in steps], dim=1).cpu())

    def __getitem__(self, name: str) -> th.Tensor:
        return self.values[self.names.index(name)]


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


class OnPolicyUpdate(CriticSettings, DropIn, FastRollouts):
    """Gives an on-policy algorithm its ``train()``; stands before a class of Stable-Baselines3.

    A variant overrides :meth:`objective`, or one of the parts that it is made of, and
    :meth:`coefficients` for what changes in the course of training.

    :param exact: as of :class:`DropIn`
    :param advantage_clip: advantages further than so many standard deviations of their batch from
        its mean are brought to there; ``None`` for none
    :param critic_learning_rate: as of :class:`CriticSettings`; what actor and critic share may
        have no parameters then
    :param critic_head_scale: as of :class:`CriticSettings`
    :param log_std_bounds: (least, most) that a Gaussian policy's log standard deviations are
        brought back to after every step, which is an eager one; ``None`` for none
    :param compile: as of :class:`DropIn`
    :raises ValueError: for a critic's rate with a shared encoder, and for bounds of a policy that
        has no log_std
    """

    scheduled = ("ent_coef", "vf_coef", "batch_size")
    normalize_advantage: bool

    n_epochs: int = 1
    batch_size: Any = None
    target_kl: float | None = None

    _backprop: Backprop | None = None

    objective_reads: tuple[str, ...] = ("normalize_advantage", "advantage_clip")
    """Attributes of the model that :meth:`objective` reads: it is compiled with their values."""

    def __init__(
        self,
        *args: Any,
        advantage_clip: float | None = None,
        log_std_bounds: Any = None,
        **kwargs: Any,
    ) -> None:
        if advantage_clip is not None and not advantage_clip > 0.0:
            raise ValueError(
                f"advantage_clip={advantage_clip!r} is not accepted: give a positive number or None"
            )
        self.advantage_clip = advantage_clip
        self.log_std_bounds = log_std.checked(log_std_bounds)
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.critic_lr_schedule is not None:
            split_critic(self.policy)
        self._bound_log_std()

    def critic_groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self.policy.optimizer.param_groups
        return groups[1:]

    def critic_heads(self) -> list[Any]:
        return [self.policy.value_net]

    def _bound_log_std(self) -> None:
        if self.log_std_bounds is None:
            return
        if not hasattr(self.policy, "log_std") or self.use_sde:
            raise ValueError(
                f"log_std_bounds={self.log_std_bounds!r} is for Gaussian policies without gSDE"
            )
        log_std.keep_within(self.policy.log_std, self.log_std_bounds)

    def advantages(self, batch: Batch) -> th.Tensor:
        """As the objective weighs them, shape (n,)."""
        advantages = batch.advantages
        if self.normalize_advantage:
            advantages = losses.standardised(advantages)
        if self.advantage_clip is not None:
            advantages = losses.within_deviations(advantages, self.advantage_clip)
        return advantages

    def coefficients(self) -> dict[str, Scalar]:
        """What weighs the parts of the objective at this moment of training."""
        return {"ent_coef": self.ent_coef, "vf_coef": self.vf_coef}

    @abstractmethod
    def objective(self, batch: Batch, coefs: Mapping[str, Scalar]) -> tuple[th.Tensor, Terms]:
        """The loss, and what is logged of it under SB3's names.

        :param coefs: of :meth:`coefficients`
        """

    def train(self) -> None:
        """One update: every epoch over the rollout, unless ``target_kl`` ends it."""
        self.policy.set_training_mode(True)
        self.follow_schedules()
        self._update_learning_rate(self.policy.optimizer)
        coefs = self.coefficients()
        compiled = self._compiled_update(coefs)
        learn_from = self._eager_step() if compiled is None else compiled.learn_from
        fast = self.fast_steps(self.policy.optimizer) if compiled is None else nullcontext()
        steps: list[Told] = []
        epoch, begun, near = 0, 0, True
        with fast:
            while near and epoch < self.n_epochs:
                epoch, begun = epoch + 1, len(steps)
                for samples in self._minibatches(compiled):
                    told, near = learn_from(samples, coefs)
                    steps.append(told)
                    if not near:
                        break
                self._n_updates += 1
        if compiled is not None:
            compiled.finish()
        if not near and self.verbose >= 1:
            kl = float(steps[-1]["approx_kl"])
            print(f"Early stopping at step {epoch - 1} due to reaching max kl: {kl:.2f}")
        self._log(Told.of_all(steps), begun, coefs)

    def learn_from(self, samples: Any, coefs: Mapping[str, Scalar]) -> tuple[Told, bool]:
        """One optimizer step.

        :param samples: of the rollout buffer
        :return: what is logged, and whether the policy is near enough to have been updated
        """
        loss, terms = self.objective(self._batch(samples), coefs)
        told = Told.of(terms)
        near = self.near_enough(told)
        if near:
            self.policy.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.step_optimizer()
        return told, near

    def step_optimizer(self) -> None:
        """Follow the gradients that parameters have."""
        self.policy.optimizer.step()
        self._bound_log_std()

    def near_enough(self, told: Told) -> bool:
        """Whether the policy is within 1.5 ``target_kl`` of the one that acted."""
        if self.target_kl is None:
            return True
        return bool(losses.near_enough(float(told["approx_kl"]), self.target_kl))

    def _minibatches(self, compiled: RolloutUpdate | None) -> Iterator[Any]:
        if compiled is not None:
            return compiled.minibatches()
        return self.rollout_buffer.get(self.batch_size)

    def _batch(self, samples: Any) -> Batch:
        actions = samples.actions
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        values, log_prob, entropy = self.policy.evaluate_actions(samples.observations, actions)
        return Batch(
            values.flatten(),
            log_prob,
            entropy,
            samples.old_values,
            samples.old_log_prob,
            samples.advantages,
            samples.returns,
        )

    def _eager_step(self) -> Callable[[Any, Mapping[str, Scalar]], tuple[Told, bool]]:
        """:meth:`learn_from`, or what does the same sooner for a plain policy."""
        if self.exact:
            return self.learn_from
        from sb3_ac_ext.algorithms.backprop.step import backprop_of

        self._backprop = backprop_of(self, self._backprop)
        return self.learn_from if self._backprop is None else self._backprop.learn_from

    def _compiled_update(self, coefs: Mapping[str, Scalar]) -> RolloutUpdate | None:
        """What steps this update, ``None`` for an eager one: while the compiler is at work, and
        where somebody watches the optimizer's steps."""
        if self.log_std_bounds is not None or not self.compiles(self.policy.optimizer):
            return None
        if self._compiler is None:
            from sb3_ac_ext.algorithms.compiled.rollout_update import RolloutCompiler

            self._compiler = RolloutCompiler(self)
        update: RolloutUpdate | None = self._compiler.update(coefs)
        return update

    def _log(self, told: Told, begun: int, coefs: Mapping[str, Scalar]) -> None:
        """
        :param told: of all steps
        :param begun: the step that the last epoch began with
        """
        table = told.values.numpy().astype(np.float64)
        means = np.add.reduce(table, axis=1) / table.shape[1]
        for name, mean in zip(told.names, means, strict=True):
            self.logger.record(f"train/{name}", mean)
        buffer = self.rollout_buffer
        explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        self.logger.record("train/explained_variance", explained)
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", th.exp(self.policy.log_std).mean().item())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")


def steps_otherwise(model: Any) -> bool:
    """Whether a class has an optimizer step of its own, which nothing else may take."""
    own = type(model)
    parts = ("learn_from", "step_optimizer", "near_enough", "_batch")
    return any(getattr(own, name) is not getattr(OnPolicyUpdate, name) for name in parts)


def split_critic(policy: Any) -> None:
    """Give the critic a parameter group of its own, the second, in the policy's optimizer.

    :param policy: of SB3's actor-critic kind, before any optimizer step
    :raises ValueError: where actor and critic share parameters
    """
    critic = [*policy.mlp_extractor.value_net.parameters(), *policy.value_net.parameters()]
    encoder = list(policy.vf_features_extractor.parameters())
    if policy.share_features_extractor and encoder:
        raise ValueError(
            "critic_learning_rate needs an encoder of the critic's own: "
            "policy_kwargs={'share_features_extractor': False}"
        )
    critic += encoder
    own = {id(parameter) for parameter in critic}
    (group,) = policy.optimizer.param_groups
    group["params"] = [p for p in group["params"] if id(p) not in own]
    policy.optimizer.add_param_group({"params": critic})
