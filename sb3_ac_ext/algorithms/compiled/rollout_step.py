"""One minibatch of an on-policy update as a pure function of tensors, ready to be traced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch as th
from gymnasium import spaces
from torch import nn

from sb3_ac_ext.algorithms import losses
from sb3_ac_ext.algorithms.compiled.job import Job
from sb3_ac_ext.algorithms.compiled.observations import parts, whole
from sb3_ac_ext.algorithms.compiled.optimizers import Adam, RMSprop, scaled_down
from sb3_ac_ext.algorithms.flat import Parameters, gradient, layout_of
from sb3_ac_ext.algorithms.on_policy import Batch

FIELDS = ("values", "log_probs", "advantages", "returns")
"""Of a rollout, besides observations and actions."""


@dataclass(frozen=True)
class RolloutJob(Job):
    """One minibatch of a rollout.

    :param rule: of the optimizer
    :param max_grad_norm: gradients are scaled down to it
    :param coefs: names of the objective's coefficients
    :param stops: whether a minibatch beyond 1.5 ``target_kl``, a coefficient then, is passed over
    """

    rule: Adam | RMSprop
    max_grad_norm: float
    coefs: tuple[str, ...]
    stops: bool

    def settings(self) -> tuple[Any, ...]:
        return (self.rule, self.max_grad_norm, self.coefs, self.stops)

    def make_step(self) -> Callable[..., th.Tensor]:
        """A function of theta, optimizer state, numbers (the rule's factors, and coefficients),
        rollout and rows.

        It changes theta and the state in place, and returns the objective's terms, shape (k,).
        """
        return _make_step(self)


class _Evaluated(nn.Module):
    """Makes ``evaluate_actions`` what ``functional_call`` calls."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observations: Any, actions: th.Tensor) -> Any:
        return self.policy.evaluate_actions(observations, actions)  # type: ignore[operator]


def _make_step(job: RolloutJob) -> Callable[..., th.Tensor]:
    shell = job.shell()
    evaluated = _Evaluated(job.policy)
    layout = layout_of(job.policy, "policy.")
    space: Any = job.policy.observation_space
    discrete = isinstance(job.policy.action_space, spaces.Discrete)
    n_state, n_factors = len(job.rule.state), len(job.rule.factors(1.0, 0.0))

    def step(theta: th.Tensor, *rest: th.Tensor) -> th.Tensor:
        state, (numbers, *rollout) = rest[:n_state], rest[n_state:]
        factors = numbers[:n_factors]
        coefs = dict(zip(job.coefs, numbers[n_factors:].unbind(), strict=True))
        given = iter(rollout)
        seen = [next(given) for _ in parts(space, space)]
        actions, values, log_probs, advantages, returns, rows = given
        observations = whole(space, (part[rows] for part in seen))
        taken = actions[rows].to(th.float32)
        taken = taken.long().flatten() if discrete else taken

        def loss(parameters: Parameters) -> tuple[th.Tensor, dict[str, th.Tensor]]:
            now = th.func.functional_call(evaluated, dict(parameters), (observations, taken))
            batch = Batch(
                now[0].flatten(),
                now[1],
                now[2],
                values[rows].flatten(),
                log_probs[rows].flatten(),
                advantages[rows].flatten(),
                returns[rows].flatten(),
            )
            total, terms = shell.objective(batch, coefs)
            return total, {name: term.detach() for name, term in terms.items()}

        grad, _, terms = gradient(loss, theta, layout)
        grad = scaled_down(grad, job.max_grad_norm)
        updated, changed = job.rule(theta, grad, state, factors)
        for old, new in zip((theta, *state), (updated, *changed), strict=True):
            if job.stops:
                near = losses.near_enough(terms["approx_kl"], coefs["target_kl"])
                new = th.where(near, new, old)
            old.copy_(new)
        return th.stack(list(terms.values()))

    return step
