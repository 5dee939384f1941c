"""YAML that anybody may have written: specs, tasks, mappings, facts."""

from __future__ import annotations

from typing import Any

import yaml

_DEEPEST = 10  # lists in lists
_MOST = 100_000  # values, those of an anchor counted wherever it stands


def read_yaml(text: str, lists_by_anchors: bool = True) -> Any:
    """Read YAML of few levels, which does not unfold to far more than its text.

    Parameters
    ----------
    text : str
    lists_by_anchors : bool
        Whether anchors may stand for lists and mappings, too, and not for single values alone.

    Raises
    ------
    ValueError
        With the reason, for text that is not such YAML.

    Examples
    --------
    >>> read_yaml("{priors: {slope: &wide 'Normal(0, 3)', difficulty: *wide}}")["priors"]["difficulty"]
    'Normal(0, 3)'
    """
    try:
        loader = _Loader(text)
        loader.lists_by_anchors = lists_by_anchors
        document = loader.get_single_data()
        if loader.doubled:
            raise ValueError(f"{'; '.join(loader.doubled)}. Keep one of them.")
        return document
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML leaves numbers and dates to Python
        raise ValueError(str(error)) from None


class _Loader(yaml.SafeLoader):
    """Counts levels and values, for lists of lists by anchors unfold to any size; and finds doubled keys."""

    lists_by_anchors = True

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.depth = self.values = 0
        self.sizes: dict[Any, int] = {}
        self.doubled: list[str] = []

    def compose_node(self, parent: Any, index: Any) -> Any:
        alias, before = self.check_event(yaml.AliasEvent), self.values
        self.depth += 1
        if self.depth > _DEEPEST:  # PyYAML takes the square of the depth
            raise yaml.YAMLError("it is nested too deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        if alias and not (self.lists_by_anchors or isinstance(node, yaml.ScalarNode)):
            raise yaml.YAMLError("an anchor may stand for a single value only")
        # An anchor within itself has no size yet, and no end.
        self.values += self.sizes.get(node, _MOST) if alias else 1
        if self.values > _MOST:
            raise yaml.YAMLError("it unfolds to far more than its text")
        self.sizes[node] = self.values - before
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], list[int]] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                lines.setdefault((key.tag, key.value), []).append(key.start_mark.line + 1)
        self.doubled += [
            f"the key {key[:50]!r} is there {len(at)} times (lines {', '.join(map(str, at))})"
            for (_, key), at in lines.items()
            if len(at) > 1
        ]
        return node
