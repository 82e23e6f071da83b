"""Errors: one root, and each subclass is also the builtin that a caller would expect.

The text of every error is one line: what was wrong, which value, what would have worked.
"""

from __future__ import annotations


class LkError(Exception):
    """Root of all errors that this package raises on purpose."""

    def __str__(self) -> str:
        """Return the plain text, also for builtins that would quote it (KeyError)."""
        return str(self.args[0]) if self.args else ''


class BagNotFoundError(LkError, FileNotFoundError):
    """Raise when there is no bag at a path."""


class BagExistsError(LkError, FileExistsError):
    """Raise when something that must not be overwritten is in the way."""


class BagFormatError(LkError, ValueError):
    """Raise when a file is not a bag, or a part of it cannot be read."""


class BagTimeError(LkError, ValueError):
    """Raise when a message has a time that a bag cannot hold."""


class BagWriteError(LkError, OSError):
    """Raise when a bag cannot be written."""


class KeyNotFoundError(LkError, KeyError):
    """Raise when a dataset does not hold a key."""


class CapabilityError(LkError, NotImplementedError):
    """Raise when a database is asked for something that it says it cannot do."""


class MessageTypeError(LkError, TypeError):
    """Raise when a message type is unknown, or is not the one that was expected."""


class MessageFormatError(LkError, ValueError):
    """Raise when bytes are not a message of the type that they are said to be."""


class ComponentError(LkError, ValueError):
    """Raise when a component, its configuration or its ports are wrong."""


class ComponentNotFoundError(LkError, ImportError):
    """Raise when an import path does not lead to a component."""


class ComparisonError(LkError, ValueError):
    """Raise when two datasets cannot be compared as asked."""


class SpecificationError(LkError, ValueError):
    """Raise when an experiment's specification is wrong; the text names file and line."""


class EnvironmentNotReadyError(LkError, RuntimeError):
    """Raise when what a run needs from its surroundings (a sourced ROS 2) is not there."""


class ArmError(LkError, RuntimeError):
    """Raise when an arm of an experiment could not be started or did not answer."""


class ExtraMissingError(LkError, ImportError):
    """Raise when a library of an extra is not installed; the text names the extra."""


class DatasetFormatError(LkError, ValueError):
    """Raise when something is not a dataset, or holds what a dataset does not consist of."""


class DatasetError(LkError, ValueError):
    """Raise when a dataset cannot be cut, joined or sampled as asked."""


class ServerError(LkError, ConnectionError):
    """Raise when a server cannot be reached, or refuses what is asked of it."""


class FlatVectorError(LkError, TypeError):
    """Raise when a message has no flat vector, or a vector does not fit a message."""


class ExportError(LkError, ValueError):
    """Raise when a dataset cannot be exported as asked."""


class TypeBuildError(LkError, RuntimeError):
    """Raise when message types could not be built, or are not those of the bag."""
