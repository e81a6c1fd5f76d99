"""Numbers as a person reads them."""

from __future__ import annotations

import math

NBSP = "\u00a0"


def number(value: float) -> str:
    """Four significant digits, thousands separated; NaN and infinity by name."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if value == int(value) and abs(value) < 1e9:
        text = f"{int(value):,}"
    elif 1e-4 <= abs(value) < 1e6:
        digits = max(0, 3 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:.3g}"
    return text.replace("-", "−")


def percent(share: float) -> str:
    if not math.isfinite(share):
        return number(share)
    return f"{100 * share:.0f}{NBSP}%"


def duration(seconds: float) -> str:
    """The two largest units: ``1 h 12 min``, ``3 min 5 s``, ``4.2 s``."""
    if not math.isfinite(seconds):
        return number(seconds)
    if seconds < 60:
        return f"{seconds:.3g}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest}{NBSP}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}{NBSP}h {minutes}{NBSP}min"


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def sentence(text: str) -> str:
    """A capital first; the name of a series or an argument stays as it is."""
    first = text.partition(" ")[0]
    return text if "/" in first or "_" in first else text[:1].upper() + text[1:]


def words(name: str) -> str:
    """``one_worker_reward_scale`` -> ``one worker reward scale``."""
    return name.replace("_", " ").strip()
