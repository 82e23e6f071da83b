"""What an arm owes for the inputs that it got: which answer belongs to which input. No ROS."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lk_dataset_ros.ros.arms.job import OutputJob

#: Where a serialized message that begins with a `std_msgs/Header` has its stamp.
STAMP: Final = slice(4, 12)
#: Inputs whose answer has not come, that are remembered by output.
_MOST_DEBTS: Final = 1000


class Debt:
    """Answers to one input that did not come in time."""

    __slots__ = ('left', 'number', 'stamp', 'time_ns')

    def __init__(self, time_ns: int, number: int, stamp: bytes, left: int) -> None:
        self.time_ns = time_ns
        self.number = number
        self.stamp = stamp
        self.left = left


class Owed:
    """What one output owes for the newest input that it answers.

    Args:
        output: The declaration.
        is_stamped: Input and output begin with a header, so that a stamp tells what belongs
            together.

    Attributes:
        got: Answers so far.
        number: Of that input among those of its topic, from 0 on.
        time_ns: Recorded time of that input.
        received: Messages of this output, all.
        unanswered: Inputs that got fewer answers than declared.
        late: Answers that came when they were taken to be missing or to stay away.
        surplus: Messages beyond what was declared.
    """

    __slots__ = (
        'debts', 'got', 'is_open', 'is_stamped', 'late', 'least', 'most', 'number',
        'received', 'stamp', 'surplus', 'time_ns', 'topic', 'unanswered',
    )  # fmt: skip

    def __init__(self, output: OutputJob, *, is_stamped: bool = False) -> None:
        self.topic = output.topic
        self.least, self.most = output.least, output.most
        self.is_stamped = is_stamped
        self.got = output.most
        self.is_open = False
        self.stamp = b''
        self.time_ns = self.number = 0
        self.received = self.unanswered = self.late = self.surplus = 0
        self.debts: deque[Debt] = deque(maxlen=_MOST_DEBTS)

    def pay(self, cdr: bytes) -> Debt | None:
        """Return the older input that a message answers, None if it answers the newest."""
        debts = self.debts
        stamp = cdr[STAMP] if self.is_stamped else b''
        if self.is_stamped and stamp == self.stamp:
            return None
        found = next((each for each in debts if self.is_stamped and each.stamp == stamp), None)
        if found is None:
            # Nodes answer in order: what is owed longest is paid first. What merely might have
            # come (left is 0) is recognised by its stamp only.
            found = next((each for each in debts if each.left), None)
        if found is not None:
            if found.left == 1:
                self.unanswered -= 1
            found.left -= 1
            if found.left <= 0:
                debts.remove(found)
        return found


class Answers:
    """The answers of one arm.

    Args:
        outputs: What is declared.
        stamped: Outputs whose stamps tell what they answer.

    Attributes:
        pending: Answers to the newest input that have to come and have not.
        owed: By output topic.
        silent_in_a_row: Inputs in a row that got no answer at all, but were owed one.
        missed_in_a_row: Inputs in a row that an output owed something, by output topic.
    """

    def __init__(self, outputs: Sequence[OutputJob], stamped: Iterable[str] = ()) -> None:
        marked = set(stamped)
        self.owed = {each.topic: Owed(each, is_stamped=each.topic in marked) for each in outputs}
        self._answering: dict[str, list[Owed]] = {}
        for each in outputs:
            self._answering.setdefault(each.answers, []).append(self.owed[each.topic])
        self._current: list[Owed] = []
        self._is_open = False
        self.pending = 0
        self.silent_in_a_row = 0
        self.missed_in_a_row = dict.fromkeys(self.owed, 0)

    def send(self, topic: str, cdr: bytes, time_ns: int, number: int) -> None:
        """Begin with another input."""
        self._current = current = self._answering.get(topic, [])
        self._is_open = True
        pending = 0
        for each in current:
            each.got, each.is_open = 0, True
            each.time_ns, each.number = time_ns, number
            if each.is_stamped:
                each.stamp = cdr[STAMP]
            pending += each.least
        self.pending = pending

    def take(self, owed: Owed, cdr: bytes) -> tuple[int, int]:
        """Take an answer.

        Returns:
            Recorded time and number of the input that it belongs to; -1 if it is one too many.
        """
        owed.received += 1
        if owed.debts and (debt := owed.pay(cdr)) is not None:
            owed.late += 1
            return debt.time_ns, debt.number
        owed.got += 1
        if owed.got > owed.most:
            owed.surplus += 1
            return owed.time_ns, -1
        if not owed.is_open:
            owed.late += 1
        elif owed.got <= owed.least:
            self.pending -= 1
        return owed.time_ns, owed.number

    @property
    def is_owed(self) -> bool:
        """Whether answers to older inputs may follow."""
        return any(debt.left for each in self.owed.values() for debt in each.debts)

    @property
    def may_come(self) -> bool:
        """Whether more answers to this input are allowed than have come, or it has no answer."""
        return not self._current or any(each.got < each.most for each in self._current)

    @property
    def missing(self) -> list[Owed]:
        """Outputs that owe an answer to this input."""
        return [each for each in self._current if each.got < each.least]

    def close(self, *, is_busy: bool = False) -> None:
        """End with this input: what has not come is missing, or stays away.

        Args:
            is_busy: The arm still works on it: an answer may follow.
        """
        if not self._is_open:
            return
        self._is_open = False
        owing = any(each.least for each in self._current)
        if owing and not any(each.got for each in self._current):
            self.silent_in_a_row += 1
        elif owing:
            self.silent_in_a_row = 0
        for each in self._current:
            each.is_open = False
            left = each.least - each.got
            if left > 0:
                each.unanswered += 1
                self.missed_in_a_row[each.topic] += 1
            else:
                self.missed_in_a_row[each.topic] = 0
            if is_busy and left > 0:
                each.debts.append(Debt(each.time_ns, each.number, each.stamp, left))
            elif each.got < each.most and each.is_stamped:
                if each.debts and not each.debts[-1].left:
                    each.debts.pop()
                each.debts.append(Debt(each.time_ns, each.number, each.stamp, 0))
        self.pending = 0

    def forgive(self) -> None:
        """Forget what is owed for older inputs: the arm is through with them."""
        for each in self.owed.values():
            each.debts.clear()
