"""Read YAML as people mean it, without running anything: ``1e-3`` is a number."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.composer import ComposerError

_PYTHON = "tag:yaml.org,2002:python/"


class Loader(yaml.SafeLoader):
    """``SafeLoader`` that reads YAML 1.2 floats, and the three Python tags that RL Zoo writes.

    The tags become plain data: an ordered mapping, a tuple, the dotted name of a class. Any other
    Python tag is refused, as ``SafeLoader`` does.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that is given twice: YAML does, PyYAML keeps the last silently."""
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    problem = f"the key {key.value!r} is given twice"
                    raise ComposerError(None, None, problem, key.start_mark)
                seen.add((key.tag, key.value))
        return node

    def construct_ordered_dict(self, node: yaml.Node) -> dict[Hashable, Any]:
        pairs = self.construct_sequence(node, deep=True) if node.value else [[]]  # type: ignore[arg-type]
        return dict(pairs[0])

    def construct_python_tuple(self, node: yaml.Node) -> tuple[Any, ...]:
        return tuple(self.construct_sequence(node, deep=True))  # type: ignore[arg-type]

    def construct_python_name(self, suffix: str, node: yaml.Node) -> str:
        return suffix


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)
Loader.add_constructor(
    f"{_PYTHON}object/apply:collections.OrderedDict", Loader.construct_ordered_dict
)
Loader.add_constructor(f"{_PYTHON}tuple", Loader.construct_python_tuple)
Loader.add_multi_constructor(f"{_PYTHON}name:", Loader.construct_python_name)


def load_yaml(text: str, source: str = "YAML") -> Any:
    """
    :param text: one YAML document
    :param source: where it came from, for the error
    :raises ValueError: if it is not YAML, with the line
    """
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{source} is not valid YAML{line}: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{source} is not valid YAML: {error}") from error
