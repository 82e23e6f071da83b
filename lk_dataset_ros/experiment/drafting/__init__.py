"""A first specification, proposed by looking at a bag or at a running graph: `lk init`."""

from lk_dataset_ros.experiment.drafting.draft import Draft, OutputDraft, TopicSeen
from lk_dataset_ros.experiment.drafting.from_bag import draft_from_bag
from lk_dataset_ros.experiment.drafting.from_graph import draft_from_graph
from lk_dataset_ros.experiment.drafting.naming import ArmNamed
from lk_dataset_ros.experiment.drafting.probing import look_at_graph
from lk_dataset_ros.experiment.drafting.text import text_of
from lk_dataset_ros.experiment.drafting.writing import write_draft

__all__ = [
    'ArmNamed',
    'Draft',
    'OutputDraft',
    'TopicSeen',
    'draft_from_bag',
    'draft_from_graph',
    'look_at_graph',
    'text_of',
    'write_draft',
]
