"""The state of an optimizer in a file that ``torch.save`` wrote."""

from __future__ import annotations

from typing import Any

from sb3_ac_ext.inspection.readable import readable
from sb3_ac_ext.inspection.symbols import Pairs
from sb3_ac_ext.inspection.torch_file import TorchFile


def is_optimizer(value: Any) -> bool:
    """:return: whether a symbolic value is the ``state_dict`` of an optimizer"""
    return (
        isinstance(value, Pairs)
        and isinstance(value.get("param_groups"), list)
        and isinstance(value.get("state"), Pairs)
    )


def optimizer_facts(file: TorchFile) -> dict[str, Any]:
    """
    :param file: of which :func:`is_optimizer` holds
    :return: ``groups`` with their settings, ``parameters`` that have state, names of the ``state``
        and the number of ``tensors``
    """
    state, groups = file.value.get("state"), file.value.get("param_groups")
    names = {name.rpartition(".")[2] for name in file.tensors}
    return {
        "parameters": len(state.pairs),
        "state": sorted(names),
        "tensors": len(file.tensors),
        "groups": [
            {str(key): readable(value) for key, value in group.pairs if key != "params"}
            for group in groups[:16]
            if isinstance(group, Pairs)
        ],
    }
