"""Algorithms with one bug each, as subclasses that change what people get wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.sac.policies import SACPolicy


class FrozenCritic(PPO):
    """The value loss has no weight."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.vf_coef = 0.0


class GammaIgnored(PPO):
    """The rollout buffer never hears of gamma."""

    def _setup_model(self) -> None:
        super()._setup_model()
        self.rollout_buffer.gamma = 1.0


class NoBootstrap(A2C):
    """gamma and lambda of the buffer are swapped with 0."""

    def _setup_model(self) -> None:
        super()._setup_model()
        self.rollout_buffer.gamma = 0.0


class _Endless(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values: th.Tensor, dones: np.ndarray) -> None:
        self.episode_starts[:] = 0.0
        super().compute_returns_and_advantage(last_values, np.zeros_like(dones))


class _Flipped(RolloutBuffer):
    def compute_returns_and_advantage(self, *args: Any, **kwargs: Any) -> None:
        super().compute_returns_and_advantage(*args, **kwargs)
        self.advantages = -self.advantages


class _Zero(RolloutBuffer):
    def compute_returns_and_advantage(self, *args: Any, **kwargs: Any) -> None:
        super().compute_returns_and_advantage(*args, **kwargs)
        self.advantages = 0.0 * self.advantages


class _FlippedRewards(RolloutBuffer):
    def add(self, obs: Any, action: Any, reward: Any, *rest: Any) -> None:
        super().add(obs, action, -reward, *rest)


class _Unpaired(RolloutBuffer):
    """Observations of another worker."""

    def add(self, obs: Any, *rest: Any) -> None:
        super().add(np.random.permutation(obs), *rest)  # noqa: NPY002


def _with_buffer(base: type, buffer: type, name: str) -> type:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        base.__init__(self, *args, rollout_buffer_class=buffer, **kwargs)

    return type(name, (base,), {"__init__": __init__})


class _RandomActions(RolloutBuffer):
    def add(self, obs: Any, action: Any, *rest: Any) -> None:
        super().add(obs, np.random.randint(0, 2, action.shape), *rest)  # noqa: NPY002


DonesIgnored = _with_buffer(A2C, _Endless, "DonesIgnored")
AdvantageFlipped = _with_buffer(PPO, _Flipped, "AdvantageFlipped")
AdvantageZero = _with_buffer(A2C, _Zero, "AdvantageZero")
RewardsFlipped = _with_buffer(A2C, _FlippedRewards, "RewardsFlipped")
ActionsRandom = _with_buffer(A2C, _RandomActions, "ActionsRandom")
ObservationsShuffled = _with_buffer(A2C, _Unpaired, "ObservationsShuffled")


class _BlindCritic(ActorCriticPolicy):
    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.value_net.register_forward_pre_hook(lambda module, inputs: (0.0 * inputs[0],))


class _BlindActor(ActorCriticPolicy):
    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net.register_forward_pre_hook(lambda module, inputs: (0.0 * inputs[0],))


class CriticBlind(PPO):
    policy_aliases = {"MlpPolicy": _BlindCritic}  # noqa: RUF012


class PolicyBlind(PPO):
    policy_aliases = {"MlpPolicy": _BlindActor}  # noqa: RUF012


class Raises(PPO):
    def train(self) -> None:
        raise RuntimeError("shapes do not fit")


class Diverges(A2C):
    """The first update destroys the weights."""

    def train(self) -> None:
        super().train()
        with th.no_grad():
            for parameter in self.policy.mlp_extractor.value_net.parameters():
                parameter *= float("nan")


def _idle(optimizer: th.optim.Optimizer) -> None:
    optimizer.step = lambda closure=None: None  # type: ignore[method-assign, assignment]


class SacFrozenCritic(SAC):
    def _setup_model(self) -> None:
        super()._setup_model()
        _idle(self.critic.optimizer)


class SacFrozenActor(SAC):
    def _setup_model(self) -> None:
        super()._setup_model()
        _idle(self.actor.optimizer)


class SacActorFlipped(SAC):
    def _setup_model(self) -> None:
        super()._setup_model()
        self.actor.optimizer.param_groups[0]["maximize"] = True


class _BlindSacPolicy(SACPolicy):
    def make_actor(self, *args: Any, **kwargs: Any) -> Any:
        actor = super().make_actor(*args, **kwargs)
        actor.latent_pi.register_forward_pre_hook(lambda module, inputs: (0.0 * inputs[0],))
        return actor


class SacPolicyBlind(SAC):
    policy_aliases = {"MlpPolicy": _BlindSacPolicy}  # noqa: RUF012


class Td3GammaIgnored(TD3):
    def train(self, *args: Any, **kwargs: Any) -> None:
        gamma, self.gamma = self.gamma, 1.0
        super().train(*args, **kwargs)
        self.gamma = gamma


class DdpgFrozenTarget(DDPG):
    def train(self, *args: Any, **kwargs: Any) -> None:
        tau, self.tau = self.tau, 0.0
        super().train(*args, **kwargs)
        self.tau = tau


class _AlwaysDone(ReplayBuffer):
    def add(self, obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: Any) -> None:
        super().add(obs, next_obs, action, reward, np.ones_like(done), infos)


class _NeverDone(ReplayBuffer):
    def add(self, obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: Any) -> None:
        super().add(obs, next_obs, action, reward, np.zeros_like(done), infos)


class _ShuffledActions(ReplayBuffer):
    def _get_samples(self, *args: Any, **kwargs: Any) -> Any:
        samples = super()._get_samples(*args, **kwargs)
        return samples._replace(actions=samples.actions[th.randperm(len(samples.actions))])


class DqnAlwaysDone(DQN):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, replay_buffer_class=_AlwaysDone, **kwargs)


class Td3NeverDone(TD3):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, replay_buffer_class=_NeverDone, **kwargs)


class DqnShuffledActions(DQN):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, replay_buffer_class=_ShuffledActions, **kwargs)


class DqnWorstAction(DQN):
    """Acts by the smallest value."""

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        action, state = super().predict(*args, **kwargs)
        return 1 - action, state
