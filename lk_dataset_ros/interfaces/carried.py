"""The types that the topics of a bag carry, as the bag defines them."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lk_dataset_ros.errors import LkError, MessageTypeError
from lk_dataset_ros.interfaces.description import type_hash
from lk_dataset_ros.interfaces.interface import Interface, interfaces_of
from lk_dataset_ros.message import Schema, full_type_name

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Carried:
    """What the schemas of a bag say.

    Attributes:
        topics: The topics that carry a type, by its full name.
        schemas: The first schema of each type.
        broken: Why the definition of a type is none.
        interfaces: Definitions of each other type, and of what it is made of.
    """

    topics: dict[str, list[str]] = field(default_factory=dict)
    schemas: dict[str, Schema] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, dict[str, Interface]] = field(default_factory=dict)

    @classmethod
    def of(cls, carried: Iterable[tuple[str, Schema]]) -> Carried:
        """Read name and schema of each topic."""
        bag = cls()
        for topic, given in carried:
            schema = _fully_named(given)
            name = schema.name
            bag.topics.setdefault(name, []).append(topic)
            known = bag.schemas.setdefault(name, schema)
            if known.type_hash and schema.type_hash and known.type_hash != schema.type_hash:
                bag.broken[name] = (
                    f'the bag has two types of the name {name}: {known.type_hash} and '
                    f'{schema.type_hash}'
                )
        for name, schema in bag.schemas.items():
            try:
                full_type_name(name)
                found = interfaces_of(schema)
            except LkError as error:
                bag.broken.setdefault(name, str(error))
                continue
            # Without a text a type is one without fields (std_msgs/Empty), or nobody knew it.
            if schema.text.strip() or schema.type_hash == type_hash(name, found):
                bag.interfaces[name] = found
            else:
                bag.broken.setdefault(name, f'the bag does not define {name}')
        return bag

    def hash_of(self, name: str) -> str:
        """Return the hash of a carried type: the bag's word, or that of its definition."""
        said = self.schemas[name].type_hash
        return said or (type_hash(name, self.interfaces[name]) if name in self.interfaces else '')


def _fully_named(schema: Schema) -> Schema:
    with contextlib.suppress(MessageTypeError):
        return dataclasses.replace(schema, name=full_type_name(schema.name))
    return schema
