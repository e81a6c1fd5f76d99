"""Pure maths on arrays: what signals measure and detectors compare. NumPy and SciPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from diptest import diptest
from scipy.stats import f as f_distribution
from scipy.stats import kendalltau, mannwhitneyu, theilslopes

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]


def explained_variance(predicted: Array, target: Array) -> float:
    """``1 - Var(target - predicted) / Var(target)``: 1 is perfect, 0 is a constant, below 0 worse.

    :return: NaN when the targets are constant, because then nothing can be explained
    """
    variance = float(np.var(np.asarray(target, dtype=np.float64)))
    if variance < 1e-12:
        return float("nan")
    return 1.0 - float(np.var(np.subtract(target, predicted, dtype=np.float64))) / variance


def monte_carlo_returns(rewards: Array, dones: Array, gamma: float) -> Floats:
    """Discounted sums of rewards to the end of each episode, without any value estimate.

    :param rewards: shape (T, n_envs)
    :param dones: shape (T, n_envs), true where the episode ended with this step
    :param gamma: discount factor
    :return: shape (T, n_envs), NaN for steps whose episode did not end within the T steps
    """
    returns = np.array(rewards, dtype=np.float64)
    discounts = gamma * np.logical_not(dones)
    for t in range(len(returns) - 2, -1, -1):
        returns[t] += discounts[t] * returns[t + 1]
    ended = np.logical_or.accumulate(dones[::-1], axis=0)[::-1]
    returns[~ended] = np.nan
    return returns


def generalised_advantages(
    rewards: Array,
    values: Array,
    episode_starts: Array,
    last_values: Array,
    last_dones: Array,
    gamma: float,
    gae_lambda: float,
) -> Floats:
    """``A_t = sum_k (gamma lambda)^k delta_(t+k)`` within episodes, ``delta`` the TD error.

    :param rewards: shape (T, n_envs)
    :param values: shape (T, n_envs)
    :param episode_starts: shape (T, n_envs), true where the step is the first of an episode
    :param last_values: shape (n_envs,), of the observations after the last step
    :param last_dones: shape (n_envs,), whether the last step ended an episode
    :return: shape (T, n_envs). Source: Schulman et al., arXiv 1506.02438, eq. 16
    """
    following = np.concatenate([values[1:], np.reshape(last_values, (1, -1))]).astype(np.float64)
    ends = np.concatenate([episode_starts[1:], np.reshape(last_dones, (1, -1))])
    going_on = 1.0 - ends.astype(np.float64)
    deltas = rewards + gamma * following * going_on - values
    discounts = gamma * gae_lambda * going_on
    advantages = np.array(deltas, dtype=np.float64)
    for t in range(len(advantages) - 2, -1, -1):
        advantages[t] += discounts[t] * advantages[t + 1]
    return advantages


def largest_shift(first: Array, second: Array) -> float:
    """Largest difference of column means, in pooled standard deviations.

    Columns that hardly vary count with a thousandth of their magnitude as deviation.

    :param first: shape (n, d)
    :param second: shape (m, d)
    """
    pooled = np.sqrt((first.var(axis=0) + second.var(axis=0)) / 2.0)
    spread = np.maximum(pooled, 1e-3 * np.abs(first).max(axis=0))
    shift = np.abs(second.mean(axis=0) - first.mean(axis=0))
    return float(np.max(shift / np.maximum(spread, 1e-9), initial=0.0))


def time_dependence(rows: Array, times: Array, groups: Array, most: float = 0.5) -> float | None:
    """p-value of an F-test that rows do not depend on when they were drawn.

    A linear model predicts the time of a row from its entries, ``F = (R2 / k) / ((1 - R2) / f)``
    with k independent entries and f degrees of freedom left: a drift of any entry, steady or at
    once, makes that possible. Rows that are drawn alike tell nothing of it, whatever their
    distribution. Means of groups are taken away first: groups may differ.

    :param rows: shape (n, d)
    :param times: shape (n,)
    :param groups: shape (n,), what each row belongs to
    :param most: share of n that independent entries may make up
    :return: ``None`` for fewer than 12 rows, too few for their entries, nothing that varies within
        groups, or entries that are not finite. Source: the F-test of a linear regression, as in
        Draper and Smith, Applied Regression Analysis, chapter 1
    """
    n = len(rows)
    if n < 12 or not np.isfinite(rows).all():
        return None
    which, member = np.unique(groups, return_inverse=True)
    columns = standardised(_centred(rows, member))
    when = standardised(_centred(times[:, None], member))
    weights, _, rank, _ = np.linalg.lstsq(columns, when, rcond=1e-6)
    free = n - len(which) - rank
    if not 0 < rank <= most * n or free < 6 or not when.any():
        return None
    unexplained = float(np.mean((when - columns @ weights) ** 2))
    ratio = (1.0 - unexplained) / rank / max(unexplained / free, 1e-300)
    return float(f_distribution.sf(ratio, rank, free))


def _centred(values: Array, member: Array) -> Floats:
    """Without the means of groups. :param member: shape (n,), which group, from 0"""
    sums = np.zeros((member.max() + 1, values.shape[1]))
    np.add.at(sums, member, values)
    centred: Floats = values - (sums / np.bincount(member)[:, None])[member]
    return centred


def largest_spread_ratio(first: Array, second: Array) -> float:
    """Ratio of column deviations, the one furthest from 1 in either direction.

    :param first: shape (n, d)
    :param second: shape (m, d)
    :return: of the first over the second; 1 where no column varies in both
    """
    a, b = first.std(axis=0), second.std(axis=0)
    both = (a > 1e-9) & (b > 1e-9)
    if not both.any():
        return 1.0
    logs = np.log(a[both] / b[both])
    return float(np.exp(logs[np.argmax(np.abs(logs))]))


def ridge(inputs: Array, targets: Array, strength: float = 1e-6) -> Floats:
    """Weights W that minimise ||inputs W - targets||^2 + strength trace-scaled ||W||^2.

    :param inputs: shape (n, p)
    :param targets: shape (n, q)
    :return: shape (p, q)
    """
    gram = inputs.T @ inputs
    penalty = strength * np.trace(gram) / len(gram) * np.eye(len(gram))
    weights: Floats = np.linalg.solve(gram + penalty, inputs.T @ targets)
    return weights


def standardised(values: Array) -> Floats:
    """Columns with mean 0 and standard deviation 1; those that do not vary are 0.

    :param values: shape (n, d)
    """
    scale = values.std(axis=0)
    centred: Floats = values - values.mean(axis=0)
    return centred / np.where(scale > 1e-12, scale, 1.0)


def with_products(inputs: Array) -> Floats:
    """The columns and all products of two of them, where there are ten rows for each.

    :param inputs: shape (n, p)
    """
    first, second = np.triu_indices(inputs.shape[1])
    if len(inputs) < 10 * (inputs.shape[1] + len(first)):
        return inputs
    return np.column_stack([inputs, inputs[:, first] * inputs[:, second]])


def roughness(values: Array, changes: Array) -> float | None:
    """Median over columns of the von Neumann ratio, mean squared step over variance: 2 for white
    noise, far below for anything that moves.

    :param values: shape (n, d)
    :param changes: shape (n, d), each to the value that follows
    :return: ``None`` where no column varies, or changes are not finite
    """
    variance = values.var(axis=0)
    alive = variance > 1e-12
    if not alive.any() or not np.isfinite(changes).all():
        return None
    return float(np.median((changes**2).mean(axis=0)[alive] / variance[alive]))


def explained_by(targets: Array, *inputs: Array) -> float:
    """Adjusted R2 of a linear model with intercept, averaged over the columns of ``targets``.

    :param targets: shape (n, q), columns that vary
    :param inputs: arrays of shape (n, p_i) that are put side by side
    """
    design = np.column_stack([*inputs, np.ones(len(targets))])
    residual = targets - design @ ridge(design, targets)
    n, p = design.shape
    unexplained = residual.var(axis=0) / targets.var(axis=0)
    return float(np.mean(1.0 - unexplained * (n - 1) / max(n - p, 1)))


def kl_estimate(log_ratio: Array) -> float:
    """Unbiased, non-negative sample estimate of KL(old, new), ``mean((r - 1) - log r)``.

    :param log_ratio: log pi_new(a|s) - log pi_old(a|s) for actions drawn from the old policy
    :return: in nats. Source: J. Schulman, "Approximating KL divergence" (2020), estimator k3
    """
    log_ratio = np.asarray(log_ratio, dtype=np.float64)
    with np.errstate(over="ignore"):
        return float(np.mean(np.expm1(log_ratio) - log_ratio))


def relative_entropy_of_counts(counts: Array) -> float:
    """Entropy of an empirical distribution over its maximum, in [0, 1].

    :param counts: shape (n_actions,)
    """
    counts = np.asarray(counts, dtype=np.float64)
    if len(counts) < 2 or counts.sum() == 0:
        return float("nan")
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(counts)))


def robust_deviation(values: Array) -> float:
    """Median absolute deviation scaled to a normal distribution's standard deviation."""
    values = np.asarray(values, dtype=np.float64)
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def outlier_shares(values: Array, deviations: float = 10.0) -> Floats:
    """Share of each column's values further than ``deviations`` robust deviations from its median.

    :param values: shape (n, columns)
    :return: shape (columns,), 0 for a column whose robust deviation is 0
    """
    distances = np.abs(values - np.median(values, axis=0))
    spreads = 1.4826 * np.median(distances, axis=0)
    shares: Floats = np.where(spreads > 0.0, np.mean(distances > deviations * spreads, axis=0), 0.0)
    return shares


def leave_one_out_ratios(values: Array) -> Floats:
    """Each value over the median of all others; NaN where either is missing or zero.

    :param values: shape (n,), n >= 2, non-negative
    :return: shape (n,)
    """
    values = np.asarray(values, dtype=np.float64)
    ratios = np.full(len(values), np.nan)
    for k in range(len(values)):
        others = np.delete(values, k)
        others = others[np.isfinite(others)]
        centre = float(np.median(others)) if len(others) else 0.0
        if centre > 0.0 and np.isfinite(values[k]):
            ratios[k] = values[k] / centre
    return ratios


def effective_rank(features: Array, delta: float = 0.01) -> int:
    """Number of singular values that hold a share ``1 - delta`` of their sum (srank).

    :param features: shape (n_samples, n_features)
    :return: between 0 (all zero) and n_features. Source: Kumar et al., arXiv 2010.14498, eq. 2
    """
    features = np.asarray(features, dtype=np.float64)
    gram = (
        features.T @ features if features.shape[1] <= features.shape[0] else features @ features.T
    )
    singular = np.sqrt(np.clip(np.linalg.eigvalsh(gram)[::-1], 0.0, None))
    total = singular.sum()
    if total <= 0.0 or not np.isfinite(total):
        return 0
    return int(np.searchsorted(np.cumsum(singular) / total, 1.0 - delta) + 1)


def dormant_share(activations: Array, tau: float = 0.025) -> float:
    """Share of units whose mean activity is at most ``tau`` times the layer's average.

    :param activations: shape (n_samples, n_units)
    :return: in [0, 1]. Source: Sokar et al., arXiv 2302.12902, definition 3.1
    """
    activity = np.abs(activations).mean(axis=0)
    average = activity.mean()
    return float(np.mean(activity <= tau * average)) if average > 0.0 else 1.0


def compare_samples(first: Array, second: Array) -> tuple[float, float]:
    """Mann-Whitney test of two samples, exact for small ones without ties.

    :return: two-sided p-value, and the rank-biserial effect size in [-1, 1]: positive when
        ``first`` tends to be larger. (1, 0) when all values are tied, as at a return's ceiling.
    """
    pooled = np.concatenate([first, second])
    if len(first) == 0 or len(second) == 0 or np.all(pooled == pooled[0]):
        return 1.0, 0.0
    result = mannwhitneyu(first, second, alternative="two-sided")
    effect = 2.0 * float(result.statistic) / (len(first) * len(second)) - 1.0
    return float(result.pvalue), effect


def trend(steps: Array, values: Array) -> tuple[float, float, float, float]:
    """Theil-Sen slope with its 95 % interval, and the Mann-Kendall p-value.

    :param steps: shape (n,), n >= 3
    :param values: shape (n,)
    :return: slope per step, lower bound, upper bound, two-sided p-value
    """
    if np.all(values == values[0]):
        return 0.0, 0.0, 0.0, 1.0
    slope, _, low, high = theilslopes(values, steps)
    return float(slope), float(low), float(high), float(kendalltau(steps, values).pvalue)


def dip_test(values: Array) -> tuple[float, float] | None:
    """Hartigan's dip statistic and p-value for unimodality.

    :return: ``None`` when ties make the test meaningless (fewer than 90 % distinct values)
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 20 or len(np.unique(values)) < 0.9 * len(values):
        return None
    statistic, p_value = diptest(values)
    return float(statistic), float(p_value)
