"""Which series stand together in which panel: data, no code."""

from __future__ import annotations

from dataclasses import dataclass

from sb3_ac_ext.monitoring.vocabulary import NETWORKS
from sb3_ac_ext.report.lines import Line


@dataclass(frozen=True)
class Plot:
    """Series that share an axis; without a title, that of the first one's metric.

    :param moments: mark every finding, not only those about these series
    :param reference: name of a fact about the run to draw as a level, and what to call it
    """

    lines: tuple[Line, ...]
    title: str = ""
    size: str = "small"
    moments: bool = False
    reference: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Panel:
    """A section of time series.

    :param lead: what the reader should look for
    :param sources: first parts of the names of signals that feed it, to explain what is missing
    """

    id: str
    title: str
    lead: str
    plots: tuple[Plot, ...]
    sources: tuple[str, ...]


def one(*names: str) -> tuple[Plot, ...]:
    return tuple(Plot((Line(name),)) for name in names)


def nets(pattern: str, title: str) -> Plot:
    return Plot(tuple(Line(pattern.format(net=net), net) for net in NETWORKS), title)


RETURNS = Panel(
    id="returns",
    title="Returns",
    lead="What the policy earns while it learns, and what the same policy earns in the canary: a "
    "separate environment that training never touches. Bands show the standard deviation of the "
    "canary's episodes and the range of the training episodes.",
    plots=(
        Plot(
            (
                Line(
                    "episodes/return_mean",
                    "training",
                    low="episodes/return_min",
                    high="episodes/return_max",
                ),
                Line("canary/return_mean", "canary, deterministic", std="canary/return_std"),
                Line("canary/stochastic_mean", "canary, stochastic", std="canary/stochastic_std"),
            ),
            "training and canary returns",
            "wide",
            moments=True,
            reference=("reward_threshold", "solved"),
        ),
        Plot(
            (
                Line(
                    "episodes/length_mean",
                    "training",
                    low="episodes/length_min",
                    high="episodes/length_max",
                ),
                Line("canary/length_mean", "canary"),
            ),
            "episode length",
        ),
        *one("episodes/return_std", "episodes/success_rate", "episodes/truncated_share"),
        Plot(
            (
                Line("canary/gap", "deterministic minus stochastic"),
                Line("canary/train_gap", "canary minus training"),
            ),
            "gaps between returns",
        ),
        Plot(
            (
                Line("canary/p_value", "deterministic, stochastic"),
                Line("canary/train_p_value", "canary, training"),
            ),
            "Mann-Whitney p-values of the gaps",
        ),
        Plot(
            (
                Line("canary/effect_size", "deterministic, stochastic"),
                Line("canary/train_effect_size", "canary, training"),
            ),
            "rank-biserial effect sizes of the gaps",
        ),
        *one("episodes/count"),
    ),
    sources=("episodes", "canary", "returns"),
)

WORKERS = Panel(
    id="workers",
    title="Workers",
    lead="Every sub-environment should look like the others. A line or a row that is apart is a "
    "broken, differently scaled or differently seeded environment.",
    plots=(
        *one("rewards/max_ratio"),
        Plot((Line("rewards/mean", std="rewards/std"),), "reward, mean"),
        *one(
            "rewards/max_abs",
            "rewards/outlier_share",
            "rewards/zero_share",
            "rewards/nonfinite",
            "observations/p99_abs",
            "observations/scale_ratio",
            "observations/constant_dims",
            "observations/nonfinite",
        ),
    ),
    sources=("rewards", "observations", "workers", "rollout"),
)

POLICY = Panel(
    id="policy",
    title="Policy",
    lead="How far each update moves the policy, how much it still explores, and whether its "
    "actions depend on what it sees.",
    plots=(
        Plot(
            (Line("policy/kl", "whole update"), Line("train/approx_kl", "SB3's approx_kl")),
            "KL(old, new) of the update",
        ),
        *one("policy/entropy", "policy/entropy_relative"),
        Plot(
            (
                Line("policy/clip_fraction", "after the update"),
                Line("train/clip_fraction", "SB3's clip_fraction"),
            ),
            "ratios outside the clip range",
        ),
        Plot(
            (Line("policy/log_std_min", "smallest"), Line("policy/log_std_max", "largest")),
            "log standard deviation",
        ),
        *one(
            "policy/state_dependence",
            "actions/entropy",
            "actions/top_share",
            "actions/saturation",
            "actions/std",
            "policy/nonfinite_log_prob",
            "actions/nonfinite",
        ),
    ),
    sources=("policy", "actions", "probe", "probes"),
)

VALUE = Panel(
    id="value",
    title="Value and Q",
    lead="Whether the critic predicts what the policy then earns: explained variance near one is "
    "a critic that helps, at or below zero one that does not.",
    plots=(
        Plot(
            (
                Line("value/explained_variance", "buffer's returns"),
                Line("value/mc_explained_variance", "Monte-Carlo returns"),
            ),
            "explained variance",
        ),
        *one("value/loss_relative", "value/fit_ratio"),
        Plot((Line("advantages/mean", std="advantages/std"),), "advantage, mean"),
        *one("advantages/beyond_5std"),
        Plot((Line("returns/mean", std="returns/std"),), "return target, mean"),
        Plot(
            (
                Line("q/mean", "mean", std="q/std"),
                Line("q/max", "largest"),
                Line("q/min", "smallest"),
                Line("q/bound", "bound that the rewards allow"),
            ),
            "Q-values",
            "wide",
        ),
        *one(
            "q/bound_ratio",
            "q/bias",
            "q/bias_relative",
            "q/twin_gap",
            "q/target_gap",
            "q/dip",
            "q/dip_p",
            "replay/fill",
            "replay/age",
            "value/nonfinite",
            "q/nonfinite",
        ),
    ),
    sources=("value", "q", "q_values", "replay", "advantages", "returns"),
)

GRADIENTS = Panel(
    id="gradients",
    title="Gradients",
    lead="Norms before clipping, and what the steps do to the weights. A steady level is healthy; "
    "a spike or a steady climb is not.",
    plots=(
        *(
            Plot(
                (
                    Line(f"gradients/{net}/norm_mean", "mean"),
                    Line(f"gradients/{net}/norm_max", "largest"),
                ),
                f"gradient norm before clipping, {net}",
            )
            for net in NETWORKS
        ),
        *one("gradients/clipped_share"),
        nets("weights/{net}/update_ratio", "relative change of the weights"),
        nets("weights/{net}/norm", "weight norm"),
        *one(
            "weights/dormant_share",
            "weights/effective_rank",
            "gradients/nonfinite",
            "weights/nonfinite",
        ),
    ),
    sources=("gradients", "weights"),
)

TIMING = Panel(
    id="timing",
    title="Timing",
    lead="Where the wall time goes.",
    plots=(
        *one("time/steps_per_second", "time/episodes_per_hour"),
        Plot(
            (
                Line("time/rollout_share", "rollouts"),
                Line("time/update_share", "updates"),
                Line("time/canary_share", "canary"),
                Line("time/callback_share", "this monitor"),
            ),
            "share of the wall time",
        ),
    ),
    sources=("time", "timing"),
)

HYPERPARAMETERS = Panel(
    id="hyperparameters",
    title="Hyperparameters",
    lead="What the run was started with, and the values in force over time.",
    plots=one("hyper/learning_rate", "hyper/ent_coef", "hyper/clip_range"),
    sources=("hyper", "hyperparameters"),
)
