"""`lk play`: play bags, with the options of `ros2 bag play`."""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from lk_dataset_ros.cli.loading import warn
from lk_dataset_ros.cli.starting import NodeCommand, start_node

if TYPE_CHECKING:
    from collections.abc import Iterable

NS_PER_S = 1_000_000_000
EVENT = '/_service_event'
STORAGES = ('mcap', 'sqlite3')
#: What `--clock` alone means, Hz, as in `ros2 bag play`.
CLOCK_HZ = '40'
NOT_NEGATIVE = click.FloatRange(0.0, 1e10)
#: Options of `ros2 bag play` that change nothing here.
WITHOUT_EFFECT = {
    'read_ahead_queue_size': '--read-ahead-queue-size: memory is bounded by --read-ahead-bytes',
    'storage_config_file': '--storage-config-file: reading a bag needs none',
    'disable_loan_message': '--disable-loan-message: messages are never loaned',
}


class _Seconds(click.ParamType[int]):
    """Seconds as whole nanoseconds, without the rounding of a float."""

    name = 'seconds'

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return nanoseconds."""
        if isinstance(value, int):
            return value
        try:
            seconds = Decimal(str(value))
            if not seconds.is_finite() or abs(seconds) > 2**63 // NS_PER_S:
                raise InvalidOperation
            return int(seconds * NS_PER_S)
        except InvalidOperation:
            self.fail(f'{value!r} is not a time in seconds since 1970', param, ctx)


@click.command(
    name='play',
    cls=NodeCommand,
    several=(
        *('--topics', '--services', '--exclude-topics', '--exclude-services'),
        *('--remap', '-m', '--clock-topics', '--wait-for', '--input', '-i'),
    ),
    optional={'--clock': CLOCK_HZ},
)
@click.argument('bags', metavar='BAG...', nargs=-1)
@click.option('-i', '--input', 'inputs', multiple=True, metavar='BAG', help='One more bag.')
@click.option(
    '-r',
    '--rate',
    '--rtf',
    type=click.FloatRange(0.0, 1e6),
    default=1.0,
    show_default=True,
    help='Recorded time per time; 0 is as fast as subscribers acknowledge.',
)
@click.option('--topics', multiple=True, metavar='NAME...', help='Topics to play.')
@click.option('--services', multiple=True, metavar='NAME...', help='Services to play.')
@click.option('-e', '--regex', default='', help='Also topics and services that match as a whole.')
@click.option('--exclude-topics', multiple=True, metavar='NAME...', help='Topics not to play.')
@click.option('--exclude-services', multiple=True, metavar='NAME...', help='Services not to play.')
@click.option('-x', '--exclude-regex', default='', help='Topics and services not to play.')
@click.option('-m', '--remap', multiple=True, metavar='OLD:=NEW...', help='Other topic names.')
@click.option('--qos-profile-overrides-path', default='', metavar='FILE', help='YAML of profiles.')
@click.option('-l', '--loop', is_flag=True, help='Begin again at the end.')
@click.option(
    '--clock',
    type=click.FloatRange(0.0, 10_000.0),
    metavar='[HZ]',
    help=f'Publish /clock, {CLOCK_HZ} times per second if nothing else is said.',
)
@click.option(
    '--clock-topics', multiple=True, metavar='NAME...', help='/clock with messages of these.'
)
@click.option('--clock-topics-all', is_flag=True, help='/clock before every message.')
@click.option('-d', '--delay', type=NOT_NEGATIVE, default=0.0, help='Wait so many seconds before.')
@click.option(
    '--start-offset', type=NOT_NEGATIVE, default=0.0, help='Begin so many seconds later.'
)
@click.option('--playback-duration', type=float, default=-1.0, help='Play so many seconds of it.')
@click.option(
    '--playback-until-sec', 'until_sec_ns', type=_Seconds(), help='Play up to this time.'
)
@click.option('--playback-until-nsec', 'until_ns', type=int, help='The same in nanoseconds.')
@click.option('-p', '--start-paused', is_flag=True, help='Wait for the space key, or ~/resume.')
@click.option(
    '--message-order',
    type=click.Choice(('received', 'sent')),
    default='received',
    help='By the time of receiving or of sending.',
)
@click.option('--publish-service-requests', is_flag=True, help='Call services as recorded.')
@click.option(
    '--service-requests-source',
    type=click.Choice(('service_introspection', 'client_introspection')),
    default='service_introspection',
    help='Whose events are taken for that.',
)
@click.option(
    '--wait-for-all-acked',
    type=click.IntRange(0),
    metavar='MS',
    help='How long the end waits for acknowledgement; 0 for ever; 5000 by default.',
)
@click.option('--disable-keyboard-controls', is_flag=True, help='Do not listen to keys.')
@click.option(
    '--progress-bar-update-rate',
    type=int,
    default=3,
    show_default=True,
    help='Per second; 0 shows none.',
)
@click.option(
    '--log-level',
    type=click.Choice(('debug', 'info', 'warn', 'error', 'fatal')),
    help='Logging level.',
)
@click.option(
    '--wait-for',
    multiple=True,
    metavar='NAME...',
    help='Topics that must have a subscriber first; `all` is all.',
)
@click.option(
    '--wait-for-subscribers', type=click.IntRange(1, 1000), default=1, help='How many of them.'
)
@click.option(
    '--ready-limit',
    type=click.FloatRange(0.0, 1e6),
    help='How many seconds to wait for these at most; 30 by default.',
)
@click.option(
    '--discovery',
    type=click.FloatRange(0.0, 1e6),
    default=3.0,
    show_default=True,
    help='How many seconds to wait for subscribers of the other topics at most.',
)
@click.option(
    '--acknowledge-every',
    type=click.IntRange(0, 100_000),
    help='At rate 0: messages between two acknowledgements.',
)
@click.option(
    '--follow',
    type=click.Choice(('absolute', 'relative')),
    help='Follow /clock of a simulator: as recorded time, or from its first tick.',
)
@click.option('--restamp', is_flag=True, help='Move header stamps to the time of publishing.')
@click.option(
    '--late-policy',
    type=click.Choice(('catch_up', 'slow_down', 'drop_late')),
    help='What is done when messages are late.',
)
@click.option('--late-limit', type=NOT_NEGATIVE, help='From how many seconds on that is.')
@click.option(
    '--read-ahead-bytes', type=click.IntRange(0, 2**40), help='Memory for reading ahead.'
)
@click.option('--as-recorded', is_flag=True, help='Tell a recorder the original stamps and order.')
@click.option('--build-types', is_flag=True, help='Build types that are not installed.')
@click.option('--stay', is_flag=True, help='Stay after the end, for ~/play.')
@click.option('-s', '--storage', type=click.Choice(STORAGES), help='Not needed.')
@click.option('--storage-config-file', help='Not needed.')
@click.option('--read-ahead-queue-size', type=int, help='Not needed.')
@click.option('--disable-loan-message', is_flag=True, help='Not needed.')
@click.option('--progress-bar-separation-lines', type=int, help='Not needed.')
@click.pass_context
def command(ctx: click.Context, /, bags: tuple[str, ...], **options: Any) -> int:
    """Play bags onto topics, on one time line, at any real-time factor.

    Waits for subscribers first, sends what late subscribers would have got, and measures how late
    it is. Keys: space pauses, right plays the next message, up and down change the rate. Options
    are those of `ros2 bag play` and more; what follows --ros-args goes to the node.
    """
    more = list(ctx.obj or [])
    if options['log_level']:
        more += ['--log-level', options['log_level']]
    warn([f'no effect: {text}' for name, text in WITHOUT_EFFECT.items() if options[name]])
    parameters = parameters_of(bags, options)
    # What is not asked for is left to the node: the command line stays readable.
    said = {name: value for name, value in parameters.items() if not _is_empty(value)}
    return start_node('playback', said, more)


def parameters_of(bags: Iterable[str], options: dict[str, Any]) -> dict[str, Any]:
    """Return the node's parameters for the command's options.

    Raises:
        click.UsageError: If options do not go together.
    """
    # `ros2 bag play -i bag mcap` names the storage after the bag.
    named = [*bags, *(each for each in options['inputs'] if each not in STORAGES)]
    if not named:
        raise click.UsageError('no bag is given; lk play BAG')
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise click.UsageError(f'--{name.replace("_", "-")} is {value}; it has to be a number')
    if options['until_sec_ns'] is not None and options['until_ns'] is not None:
        raise click.UsageError('--playback-until-sec and --playback-until-nsec: one of them')
    clocks = [options['clock'], options['clock_topics'], options['clock_topics_all']]
    if sum(map(bool, clocks)) > 1:
        raise click.UsageError('--clock, --clock-topics and --clock-topics-all: one of them')
    if options['playback_duration'] == 0.0:
        raise click.UsageError('--playback-duration 0 plays nothing; leave it out to play all')
    until_ns = options['until_ns'] if options['until_sec_ns'] is None else options['until_sec_ns']
    parameters: dict[str, Any] = {
        'bag': named[0],
        'bags': named[1:],
        'rtf': options['rate'],
        **_choice(options),
        'remap': [each for rule in options['remap'] for each in rule.split()],
        'qos_overrides': options['qos_profile_overrides_path'],
        'loop': options['loop'],
        'clock_hz': options['clock'] or 0.0,
        'clock_topics': list(options['clock_topics']),
        'clock_on_messages': options['clock_topics_all'],
        'delay_s': options['delay'],
        'start_offset_s': options['start_offset'],
        'duration_s': max(options['playback_duration'], 0.0),
        'until_ns': max(until_ns or 0, 0),
        'start_paused': options['start_paused'],
        'order': options['message_order'],
        'publish_service_requests': options['publish_service_requests'],
        'service_requests_source': options['service_requests_source'],
        'keyboard': not options['disable_keyboard_controls'] and sys.stdin.isatty(),
        'progress_hz': _progress_hz(options['progress_bar_update_rate']),
        'wait_for': list(options['wait_for']),
        'wait_for_subscribers': options['wait_for_subscribers'],
        'ready_limit_s': _ready_limit_s(options),
        'discovery_s': options['discovery'],
        'restamp': options['restamp'],
        'as_recorded': options['as_recorded'],
        'build_types': options['build_types'],
        'stay': options['stay'],
    }
    for name, option in (
        ('acknowledge_every', 'acknowledge_every'),
        ('follow', 'follow'),
        ('late_policy', 'late_policy'),
        ('late_limit_s', 'late_limit'),
        ('read_ahead_bytes', 'read_ahead_bytes'),
    ):
        if options[option] is not None:
            parameters[name] = options[option]
    if options['wait_for_all_acked'] is not None:
        parameters['wait_for_acks_s'] = options['wait_for_all_acked'] / 1000.0
    return parameters


def _choice(options: dict[str, Any]) -> dict[str, Any]:
    """Return which topics are played: services are topics of their own, chosen by themselves."""
    topics, services = list(options['topics']), list(options['services'])
    regex, exclude = options['regex'], options['exclude_regex']
    events = [f'{service}{EVENT}' for service in services]
    if topics and not services and not regex:
        regex = f'.*{EVENT}'
    elif services and not topics and not regex:
        # All topics, but of the services only these.
        others = f'(?!(?:{"|".join(map(re.escape, events))})$).*{EVENT}'
        exclude = f'(?:{exclude})|{others}' if exclude else others
        events = []
    return {
        'topics': topics + events,
        'regex': regex,
        'exclude_topics': [
            *options['exclude_topics'],
            *(f'{service}{EVENT}' for service in options['exclude_services']),
        ],
        'exclude_regex': exclude,
    }


def _is_empty(value: Any) -> bool:
    return value is False or value in ('', [])


def _progress_hz(rate: int) -> float:
    """Return how often progress is shown; below zero `ros2 bag play` does so at every message."""
    return 20.0 if rate < 0 else float(min(rate, 100))


def _ready_limit_s(options: dict[str, Any]) -> float:
    if options['ready_limit'] is not None:
        return float(options['ready_limit'])
    # As with `ros2 bag play`, nobody has to listen unless it is demanded.
    return 30.0 if options['wait_for'] or options['as_recorded'] else 0.0
