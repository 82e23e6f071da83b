"""The outputs of an arm without ROS: encoded one by one, written to the bag many at a time."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from lk_dataset_ros.errors import ArmError, LkError
from lk_dataset_ros.message import Batch, codec_for, type_name_of

if TYPE_CHECKING:
    from lk_dataset_ros.dataset import McapDatabase
    from lk_dataset_ros.message import Schema


class OutputWriter:
    """What leaves a port.

    Args:
        database: The bag.
        port: The port of the component.
        topic: What it is called in the bag.
        schema: Its type.

    Attributes:
        received: Messages so far.
        cdrs: Those that are not in the bag yet.
        times: The log time of each: that of the input that it answers.
        places: The place of that input's topic.
    """

    def __init__(self, database: McapDatabase, port: str, topic: str, schema: Schema) -> None:
        self.port = port
        self.topic = topic
        self.received = 0
        self.cdrs: list[bytes] = []
        self.times: list[int] = []
        self.places: list[int] = []
        self._database = database
        self._schema = schema
        codec = codec_for(schema)
        codec.prepare()
        self._encode = codec.encode
        #: Classes whose messages have the port's type.
        self._known: set[type[Any]] = {codec.message_class}
        database.declare(topic, schema)

    def put(self, message: Any, time_ns: int, place: int) -> None:
        """Take a message.

        Raises:
            ArmError: If it is not what the port promises.
        """
        if type(message) not in self._known:
            self._check(message)
        try:
            self.cdrs.append(self._encode(message))
        except LkError as error:
            raise ArmError(f'output port {self.port!r}: {error}') from error
        self.times.append(time_ns)
        self.places.append(place)

    def _check(self, message: Any) -> None:
        try:
            name = type_name_of(message)
        except LkError:
            # Any object with the right attributes is a message.
            return
        if name != self._schema.name:
            raise ArmError(
                f'output port {self.port!r} gave {name}; it is declared {self._schema.name}'
            )
        self._known.add(type(message))

    def flush(self, place: int) -> int:
        """Hand what was taken to the bag.

        Args:
            place: Of an input topic.

        Returns:
            How many of these messages answer that topic.
        """
        count = len(self.cdrs)
        if not count:
            return 0
        prefix = self._database.batch_prefix
        joined = bytearray().join(chain.from_iterable(zip(repeat(bytes(prefix)), self.cdrs)))
        length = np.fromiter(map(len, self.cdrs), np.int64, count)
        start = np.cumsum(length + prefix) - length
        times = np.array(self.times, np.int64)
        batch = Batch(np.frombuffer(joined, np.uint8), start, length)
        self._database.write_batch(self.topic, batch, times, times, np.zeros(count, np.uint32))
        answers = self.places.count(place)
        self.received += count
        self.cdrs.clear()
        self.times.clear()
        self.places.clear()
        return answers
