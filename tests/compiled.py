"""Whether a model that was to be compiled is."""

from __future__ import annotations

from typing import Any


def is_compiled(model: Any) -> bool:
    """Whether every kind of step that the model took has a package that agrees."""
    known = model._compiler._compilers._known.values()
    return bool(known) and all(one is not None and one._made is not None for one in known)
