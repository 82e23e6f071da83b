"""The `lk` command: finds the verb, turns errors into one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Any

import click

from lk_dataset_ros import __version__
from lk_dataset_ros.errors import LkError

#: Verb, and what it does; the module of that name is imported only when the verb is used.
VERBS = {
    'ab': 'Run original against compiled, from a specification.',
    'compare': 'Compare two bags, and report.',
    'convert': 'Write a dataset as another kind, or with other compression.',
    'diffdiff': 'Write every difference between two bags to a text file.',
    'export': 'Write a dataset in a format that people train from.',
    'info': 'Tell what is in a bag: topics, rates, gaps, drops, ranges.',
    'init': 'Write an experiment.yaml by looking at a bag or a running graph.',
    'merge': 'Make one dataset of several, in order of time.',
    'pin': 'Make a regression test of a recording.',
    'play': 'Play bags onto topics, at any real-time factor.',
    'record': 'Record topics into a bag, and prove that nothing is missing.',
    'recover': 'Repair a bag whose recorder was killed.',
    'select': 'Keep the fastest arm that passes: write selection.yaml.',
    'slice': 'Cut out a span of time, or some topics.',
    'types': 'Tell which message types a bag needs, and build those that are missing.',
}


class _Verbs(click.Group):
    """Verbs that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f'lk_dataset_ros.cli.{cmd_name}').command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section('Commands'):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=_Verbs,
    context_settings={'help_option_names': ['-h', '--help']},
    epilog='Exit codes: 0 equivalent (or done), 1 differs, 2 could not be judged or wrong usage.',
)
@click.version_option(__version__, prog_name='lk')
def lk() -> None:
    """Does a compiled component do what the original does?"""


def entry() -> int:
    """Run as a process: SIGINT and SIGTERM end it cleanly.

    SIGINT too has to be asked for: a shell starts background jobs with SIGINT ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    return main()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        code: Any = lk.main(arguments, prog_name='lk', standalone_mode=False)
        sys.stdout.flush()
    except LkError as error:
        return _refuse(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _refuse(error.format_message())
    except click.exceptions.Abort:
        return _refuse('interrupted')
    except BrokenPipeError:
        # The reader (head, less) has gone; nothing more can be said.
        _forget_output()
        return 2
    except OSError as error:
        # A full disk, perhaps the one that standard output goes to.
        try:
            sys.stdout.flush()
        except OSError:
            _forget_output()
        where = f'{error.filename}: ' if error.filename else ''
        return _refuse(f'{where}{error.strerror or error}')
    return code if isinstance(code, int) else 0


def _forget_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(reason: str) -> int:
    print(f'lk: error: {" ".join(reason.split())}', file=sys.stderr)
    return 2
