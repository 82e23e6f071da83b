"""Propose an experiment by looking at a running graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_dataset_ros.errors import SpecificationError
from lk_dataset_ros.experiment.drafting.draft import Draft, TopicSeen, outputs_for
from lk_dataset_ros.experiment.drafting.from_bag import fit, placeholder_notes, topics_of
from lk_dataset_ros.experiment.drafting.naming import UNNAMED_COMPILED, UNNAMED_ORIGINAL, described
from lk_dataset_ros.experiment.specification import (
    ORIGINAL,
    Arm,
    BagInputs,
    LiveInputs,
    Mode,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lk_dataset_ros.experiment.drafting.probing import NodeSeen

#: Topics that many publish together: another publisher is no sign that somebody else is meant.
_SHARED = ('/tf', '/tf_static')


def draft_from_graph(
    nodes: Sequence[NodeSeen],
    original: Arm | None,
    compiled: Sequence[Arm],
    *,
    name: str,
    node: str = '',
    bag: Path | None = None,
) -> Draft:
    """Propose an experiment about a node of a running graph.

    Args:
        nodes: The nodes of the graph.
        original: How the original is started; None if it is the running node.
        compiled: The compiled arms; a placeholder where there is none.
        name: Names the experiment.
        node: The node; the only one that takes and gives something if left out.
        bag: Where the inputs come from; the running graph if left out.

    Raises:
        SpecificationError: If there is no such node, or it takes or gives nothing.
        BagNotFoundError: If there is no bag.
        ComponentNotFoundError: If a component does not import.
    """
    chosen = _choose(nodes, node)
    inputs, outputs = _inputs(chosen), _outputs(chosen)
    notes = placeholder_notes(original if bag else _running(), compiled)
    duration_s, seen = 0.0, inputs
    if bag is not None:
        seen, duration_s = topics_of(bag)
        inputs, more = _of_bag(inputs, seen, bag)
        notes += more
    usual = _running() if bag is None else UNNAMED_ORIGINAL
    arms = described([original or usual, *(compiled or [UNNAMED_COMPILED])])
    typed = [(each.name, each.type_name) for each in outputs]
    fitted, doubts = fit(arms, inputs, typed)
    topics = tuple(each.name for each in inputs)
    return Draft(
        name=name,
        mode=Mode.LIVE if bag is None else Mode.LOCKSTEP,
        inputs=LiveInputs(topics) if bag is None else BagInputs(bag, topics),
        original=fitted[0].arm,
        compiled=tuple(each.arm for each in fitted[1:]),
        outputs=outputs_for(typed, inputs, is_component=arms[0].is_component),
        seen=tuple(seen),
        duration_s=duration_s,
        notes=(*notes, *_publishers(nodes, chosen, outputs), *doubts),
        options=tuple((each.arm.name, each.options) for each in arms if each.options),
    )


def _running() -> Arm:
    return Arm(ORIGINAL, is_running=True)


def _choose(nodes: Sequence[NodeSeen], name: str) -> NodeSeen:
    able = [each for each in nodes if _inputs(each) and _outputs(each)]
    told = ', '.join(each.name for each in able[:20]) or 'none'
    if name:
        for each in nodes:
            if each.name == f'/{name.lstrip("/")}':
                if each not in able:
                    raise SpecificationError(
                        f'{each.name} does not take and give messages, so that nothing can be '
                        f'compared; those that do: {told}'
                    )
                return each
        raise SpecificationError(
            f'there is no node {name} in this ROS domain; those that take and give messages: {told}'
        )
    if len(able) != 1:
        raise SpecificationError(
            f'say which node is the original (--node); those that take and give messages: {told}'
        )
    return able[0]


def _inputs(node: NodeSeen) -> list[TopicSeen]:
    return [each for each in node.subscriptions if each.can_be_input and not each.is_common]


def _outputs(node: NodeSeen) -> list[TopicSeen]:
    taken = {each.name for each in node.subscriptions}
    mine = [
        each
        for each in node.publishers
        if each.can_be_input and not each.is_common and each.name not in taken
    ]
    # What many publish together is compared only where it is all that a node gives.
    return [each for each in mine if each.name not in _SHARED] or mine


def _publishers(
    nodes: Sequence[NodeSeen], chosen: NodeSeen, outputs: Sequence[TopicSeen]
) -> list[str]:
    """Say which outputs others publish, too: what they send cannot be told from the original's."""
    return [
        f'{output.name} is published by {other.name}, too'
        for output in outputs
        for other in nodes
        if other != chosen and output.name in [each.name for each in other.publishers]
    ]


def _of_bag(
    inputs: Sequence[TopicSeen], seen: Sequence[TopicSeen], bag: Path
) -> tuple[list[TopicSeen], list[str]]:
    recorded = {each.name: each for each in seen if each.can_be_input}
    found, notes = [], []
    for each in inputs:
        there = recorded.get(each.name)
        if there is None:
            notes.append(f'{bag} has no message of {each.name}, which the node takes')
        elif there.type_name != each.type_name:
            notes.append(f'{each.name} is {there.type_name} in {bag}, and {each.type_name} here')
        else:
            found.append(there)
    if not found:
        wanted = ', '.join(each.name for each in inputs)
        raise SpecificationError(f'{bag} has none of the topics that the node takes: {wanted}')
    return found, notes
