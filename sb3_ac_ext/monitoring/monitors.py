"""Each classical monitor alone: the same signals and detectors, preconfigured."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.vec_env import VecEnv

from sb3_ac_ext.monitoring.callback import DiagnosticsCallback
from sb3_ac_ext.monitoring.detectors import (
    CanaryGap,
    EntropyCollapse,
    EntropyStuck,
    GradientSpike,
    LargeKL,
    LowExplainedVariance,
    NonFinite,
    Patience,
    QBound,
    QGrowth,
    SameAction,
    WorkerRewards,
    WorkerSign,
    WorkerSilent,
)
from sb3_ac_ext.monitoring.signals import (
    ActionSignal,
    EpisodeSignal,
    GradientSignal,
    LoggedSignal,
    PolicySignal,
    QValueSignal,
    RewardSignal,
    ValueSignal,
    WeightSignal,
)


class CanaryEvalCallback(DiagnosticsCallback):
    """Evaluates the deterministic policy in its own environment and compares it with training.

    :param freq: environment steps between evaluations; by default a tenth of the budget
    :param episodes: per evaluation, at least 2 (tests need 10)
    :param env: evaluation environment; by default rebuilt from the training environment's spec
    :param share: upper bound of the evaluations' part of the wall time
    :param log_dir: folder for ``monitor.jsonl`` and ``findings.jsonl``
    :param verbose: 0 prints nothing
    :raises ValueError: for values out of range
    """

    def __init__(
        self,
        freq: int | None = None,
        episodes: int = 10,
        env: VecEnv | None = None,
        share: float = 0.10,
        log_dir: str | Path | None = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(
            canary_freq=freq,
            canary_episodes=episodes,
            canary_env=env,
            canary_share=share,
            log_dir=log_dir,
            signals=[EpisodeSignal()],
            detectors=[CanaryGap()],
            report=False,
            verbose=verbose,
        )


class KLMonitorCallback(DiagnosticsCallback):
    """Measures KL(old, new) of whole updates and says when it stays too large.

    :param warning: in nats
    :param critical: in nats, above ``warning``
    :param every: least environment steps between measurements
    :param verbose: 0 prints nothing
    :raises ValueError: for values out of range
    """

    def __init__(
        self,
        warning: float = 0.15,
        critical: float = 1.0,
        every: int | None = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(
            every,
            canary_freq=0,
            signals=[EpisodeSignal(), PolicySignal()],
            detectors=[LargeKL(warning, critical), NonFinite()],
            verbose=verbose,
        )


class EntropyMonitorCallback(DiagnosticsCallback):
    """Watches the policy's entropy: collapsed before learning, or stuck at its maximum.

    :param floor: share of the maximum entropy below which the policy has collapsed
    :param ceiling: share of the maximum entropy above which it is still random
    :param every: least environment steps between measurements
    :param verbose: 0 prints nothing
    :raises ValueError: for values out of range
    """

    def __init__(
        self,
        floor: float = 0.05,
        ceiling: float = 0.98,
        every: int | None = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(
            every,
            canary_freq=0,
            signals=[EpisodeSignal(), PolicySignal(), ActionSignal()],
            detectors=[
                EntropyCollapse(floor),
                EntropyStuck(ceiling),
                Patience(SameAction(), times=5),
            ],
            verbose=verbose,
        )


class ExplainedVarianceCallback(DiagnosticsCallback):
    """Watches how much of the returns the on-policy critic explains, by two measures.

    :param low: explained variance below which the critic is worse than a constant, at most 0
    :param every: least environment steps between measurements
    :param verbose: 0 prints nothing
    :raises ValueError: for values out of range
    """

    def __init__(self, low: float = -0.2, every: int | None = None, verbose: int = 1) -> None:
        super().__init__(
            every,
            canary_freq=0,
            signals=[ValueSignal()],
            detectors=[LowExplainedVariance(low), NonFinite()],
            verbose=verbose,
        )


class GradientMonitorCallback(DiagnosticsCallback):
    """Measures gradient norms before clipping, per network, and says when they jump.

    :param factor: times the running median that counts as a spike
    :param every: least environment steps between measurements
    :param verbose: 0 prints nothing
    :raises ValueError: for values out of range
    """

    def __init__(self, factor: float = 10.0, every: int | None = None, verbose: int = 1) -> None:
        super().__init__(
            every,
            canary_freq=0,
            signals=[LoggedSignal(), GradientSignal(), WeightSignal()],
            detectors=[GradientSpike(factor), NonFinite()],
            verbose=verbose,
        )


class QValueMonitorCallback(DiagnosticsCallback):
    """Watches the range, the bound and the growth of an off-policy critic's values.

    :param slack: ratio to the bound max|r| / (1 - gamma) that is still accepted
    :param every: least environment steps between measurements
    :param verbose: 0 prints nothing
    :raises ValueError: for values out of range
    """

    def __init__(self, slack: float = 1.1, every: int | None = None, verbose: int = 1) -> None:
        super().__init__(
            every,
            canary_freq=0,
            signals=[QValueSignal()],
            detectors=[QBound(slack), QGrowth(), NonFinite()],
            verbose=verbose,
        )


class WorkerRewardCallback(DiagnosticsCallback):
    """Compares the rewards of all workers and names the one that is apart.

    :param ratio: to the median of the other workers that counts as apart
    :param every: least environment steps between measurements
    :param verbose: 0 prints nothing
    :raises ValueError: for values out of range
    """

    def __init__(self, ratio: float = 3.0, every: int | None = None, verbose: int = 1) -> None:
        super().__init__(
            every,
            canary_freq=0,
            signals=[EpisodeSignal(), RewardSignal()],
            detectors=[WorkerRewards(ratio), WorkerSign(), WorkerSilent(), NonFinite()],
            verbose=verbose,
        )
