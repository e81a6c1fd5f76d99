"""One gradient step of SAC, TD3 or DDPG as a pure function of tensors, ready to be traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch as th
from torch import nn
from torch.distributions import normal

from sb3_ac_ext.algorithms import losses
from sb3_ac_ext.algorithms.compiled.job import Job
from sb3_ac_ext.algorithms.compiled.observations import parts, whole
from sb3_ac_ext.algorithms.compiled.optimizers import Adam, RMSprop, scaled_down
from sb3_ac_ext.algorithms.flat import Layout, Parameters, gradient, layout_of, views

COLUMNS = ("observations", "actions", "next_observations", "dones", "rewards", "discounts")
"""Of a batch, in the order in which a step takes them."""
OBSERVED = ("observations", "next_observations")
"""Those that may be dictionaries."""

LOG_ENT_COEF = "log_ent_coef"
"""Name of what the optimizer of SAC's entropy coefficient trains: a network, too."""

Terms = dict[str, th.Tensor]
Loss = Callable[[], tuple[th.Tensor, Terms]]


@dataclass(frozen=True)
class ReplayJob(Job):
    """
    Inputs are, in this order: for each trained network its parameters, the optimizer's state and
    its rule's factors; the targets' parameters; ``tau``; where it is fixed,
    the entropy coefficient; normal noise of the shape of actions; a batch.

    :param rules: name of network -> rule of its optimizer; ``log_ent_coef`` is a network, too
    :param targets: name of target network -> the one that it follows
    :param soft: whether it is SAC's, which draws noise twice, or TD3's, which draws it once
    :param parts: of the step: ``actor`` where the actor is updated, ``targets`` where they follow
    :param max_grad_norm: of each network's gradient
    """

    rules: Mapping[str, Adam | RMSprop]
    targets: Mapping[str, str]
    soft: bool
    parts: tuple[str, ...]
    max_grad_norm: float | None

    def settings(self) -> tuple[Any, ...]:
        rules, targets = sorted(self.rules.items()), sorted(self.targets.items())
        return (rules, targets, self.soft, self.parts, self.max_grad_norm)

    def make_step(self) -> Callable[..., th.Tensor]:
        """It changes networks, states and targets in place, and returns the terms by name,
        shape (k,)."""

        def step(*inputs: th.Tensor) -> th.Tensor:
            terms = _Step(self, inputs).take()
            return th.stack([terms[name] for name in sorted(terms)])

        return step


def columns(model: Any, data: Any) -> list[th.Tensor]:
    """A batch as a step of the model takes it: with a column of discounts in any case."""
    found: list[th.Tensor] = []
    for name in COLUMNS:
        column = getattr(data, name)
        if name in OBSERVED:
            found += parts(model.observation_space, column)
        elif column is None:
            found.append(th.full_like(data.rewards, model.gamma))
        else:
            found.append(column)
    return found


def batch(policy: Any, given: Iterator[th.Tensor]) -> SimpleNamespace:
    """What :func:`columns` took apart."""
    space = policy.observation_space
    values = ((n, whole(space, given) if n in OBSERVED else next(given)) for n in COLUMNS)
    return SimpleNamespace(**dict(values))


class _Called(nn.Module):
    """Makes a call of whatever reads a policy what ``functional_call`` calls."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, call: Callable[[], Any]) -> Any:
        return call()


@dataclass(frozen=True)
class _Trained:
    """
    :param theta: parameters, shape (p,)
    :param state: of the optimizer, vectors of shape (p,)
    :param factors: of the optimizer's rule
    """

    theta: th.Tensor
    state: tuple[th.Tensor, ...]
    factors: th.Tensor

    @classmethod
    def of(cls, given: Iterator[th.Tensor], rule: Adam | RMSprop) -> _Trained:
        theta = next(given)
        return cls(theta, tuple(next(given) for _ in rule.state), next(given))


class _Step:
    """
    :param job: what is traced
    :param inputs: of the job
    """

    def __init__(self, job: ReplayJob, inputs: Sequence[th.Tensor]) -> None:
        given = iter(inputs)
        self._job, self._called = job, _Called(job.policy)
        self._trained = {name: _Trained.of(given, rule) for name, rule in job.rules.items()}
        self._targets = {name: next(given) for name in job.targets}
        self._tau = next(given)
        self._ent_coef = None
        if job.soft and LOG_ENT_COEF not in job.rules:
            self._ent_coef = next(given)
        self._noise = [next(given) for _ in range(2 if job.soft else 1)]
        self._data = batch(job.policy, given)
        self._layouts: dict[str, Layout] = {
            name: layout_of(getattr(job.policy, name), f"policy.{name}.")
            for name in (*job.rules, *job.targets)
            if name != LOG_ENT_COEF
        }
        self._new = {name: trained.theta for name, trained in self._trained.items()}
        self._now: dict[str, th.Tensor] = {}
        for name, theta in (*self._new.items(), *self._targets.items()):
            self._put(name, theta)
        self._model = job.shell()
        for name in self._layouts:
            setattr(self._model, name, getattr(job.policy, name))

    def take(self) -> Terms:
        terms = self._soft() if self._job.soft else self._delayed()
        if "targets" in self._job.parts:
            for name, followed in self._job.targets.items():
                old = self._targets[name]
                old.copy_(old * (1.0 - self._tau) + self._tau * self._new[followed])
        return terms

    def _soft(self) -> Terms:
        """As ``SAC.gradient_step``."""
        model, data = self._model, self._data
        now, following = self._noise
        learnt = self._trained.get(LOG_ENT_COEF)
        ent_coef = self._ent_coef if learnt is None else th.exp(learnt.theta.detach())
        assert ent_coef is not None

        with _drawn(following):
            target = self._call(lambda: model.critic_target_values(data, ent_coef))
        critic_loss, _ = self._descend("critic", lambda: (model.critic_loss(data, target), {}))

        def actor_loss() -> tuple[th.Tensor, Terms]:
            with _drawn(now):
                actions, log_prob = model.actor.action_log_prob(data.observations)
            log_prob = log_prob.reshape(-1, 1)
            return model.actor_loss(data, actions, log_prob, ent_coef), {"log_prob": log_prob}

        loss, aside = self._descend("actor", actor_loss)
        terms = {"ent_coef": ent_coef.reshape(()), "actor_loss": loss, "critic_loss": critic_loss}
        if learnt is not None:
            wanted = float(model.target_entropy)

            def temperature(given: Parameters) -> tuple[th.Tensor, Terms]:
                value = given[LOG_ENT_COEF]
                return losses.temperature_loss(value, aside["log_prob"], wanted), {}

            layout = [(LOG_ENT_COEF, slice(None), learnt.theta.shape)]
            terms["ent_coef_loss"], _ = self._update(LOG_ENT_COEF, temperature, layout)
        return terms

    def _delayed(self) -> Terms:
        """As ``TD3.gradient_step``."""
        model, data = self._model, self._data
        model.smoothing_noise = lambda actions: self._noise[0] * model.target_policy_noise
        target = self._call(lambda: model.critic_target_values(data))
        critic_loss, _ = self._descend("critic", lambda: (model.critic_loss(data, target), {}))
        terms = {"critic_loss": critic_loss}
        if "actor" in self._job.parts:
            terms["actor_loss"], _ = self._descend("actor", lambda: (model.actor_loss(data), {}))
        return terms

    def _descend(self, name: str, loss: Loss) -> tuple[th.Tensor, Terms]:
        """One step of a network's optimizer; the loss, and what it tells besides."""

        def of(parameters: Parameters) -> tuple[th.Tensor, Terms]:
            self._now.update(parameters)
            found: tuple[th.Tensor, Terms] = self._call(loss)
            return found

        return self._update(name, of, self._layouts[name])

    def _update(
        self, name: str, loss: Callable[[Parameters], tuple[th.Tensor, Terms]], layout: Layout
    ) -> tuple[th.Tensor, Terms]:
        it = self._trained[name]
        grad, value, aside = gradient(loss, it.theta, layout)
        grad = scaled_down(grad, self._job.max_grad_norm)
        updated, changed = self._job.rules[name](it.theta, grad, it.state, it.factors)
        for old, new in zip((it.theta, *it.state), (updated, *changed), strict=True):
            old.copy_(new)
        self._new[name] = updated
        self._put(name, updated)
        return value.detach(), {key: part.detach() for key, part in aside.items()}

    def _put(self, name: str, vector: th.Tensor) -> None:
        if name in self._layouts:
            self._now.update(views(vector, self._layouts[name]))

    def _call(self, call: Callable[[], Any]) -> Any:
        return th.func.functional_call(self._called, self._now, (call,))


@contextmanager
def _drawn(noise: th.Tensor) -> Iterator[None]:
    """The next standard normal numbers of ``torch.distributions`` are these."""
    with patch.object(normal, "_standard_normal", lambda shape, dtype, device: noise):
        yield
