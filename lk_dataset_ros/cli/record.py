"""`lk record`: record topics into a bag, with the options of `ros2 bag record`."""

from __future__ import annotations

import math
from typing import Any

import click

from lk_dataset_ros.cli.loading import warn
from lk_dataset_ros.cli.starting import NodeCommand, start_node

#: Options of `ros2 bag record` that change nothing here.
WITHOUT_EFFECT = {
    'compression_queue_size': '--compression-queue-size: what waits is bounded by --max-cache-size',
    'compression_threads': '--compression-threads: chunks are compressed by the writer',
    'compression_threads_priority': '--compression-threads-priority: there are none',
}
#: Options that are parameters of the node under another name.
_NAMES = {
    'output': 'bag',
    'qos_profile_overrides_path': 'qos_overrides',
    'storage_preset_profile': 'preset',
    'storage_config_file': 'storage_config',
    'max_bag_size': 'max_file_bytes',
    'max_bag_duration': 'max_file_s',
    'max_cache_size': 'cache_bytes',
    'flush_period': 'flush_period_s',
    'snapshot_duration': 'ring_buffer_s',
}
#: Options that are parameters of the node under their own name.
_SAME = (
    *('topics', 'topic_types', 'services', 'regex', 'all_topics', 'all_services'),
    *('exclude_topics', 'exclude_topic_types', 'exclude_services', 'exclude_regex'),
    *('include_hidden_topics', 'include_unpublished_topics', 'ignore_leaf_topics'),
    *('start_paused', 'use_sim_time', 'custom_data', 'compression', 'sync', 'max_files'),
    *('as_recorded', 'sample_every_n', 'max_rate', 'max_samples', 'when_full', 'depth'),
)


@click.command(
    name='record',
    cls=NodeCommand,
    several=(
        *('--topics', '--topic-types', '--services', '--custom-data'),
        *('--exclude-topics', '--exclude-topic-types', '--exclude-services'),
    ),
)
@click.argument('named', metavar='[TOPIC]...', nargs=-1)
@click.option(
    '-o',
    '--output',
    default='',
    metavar='DIR',
    help='Directory of the bag, must not exist; by default named after the date.',
)
@click.option('--topics', multiple=True, metavar='NAME...', help='Topics to record.')
@click.option('--topic-types', multiple=True, metavar='TYPE...', help='Topics of these types.')
@click.option('--services', multiple=True, metavar='NAME...', help='Services to record.')
@click.option('-a', '--all', 'everything', is_flag=True, help='All topics and services.')
@click.option('--all-topics', is_flag=True, help='All topics.')
@click.option('--all-services', is_flag=True, help='All services.')
@click.option('-e', '--regex', default='', help='Topics and services that contain this pattern.')
@click.option('-x', '--exclude-regex', default='', help='Leave out those that contain this.')
@click.option('--exclude-topics', multiple=True, metavar='NAME...', help='Topics to leave out.')
@click.option(
    '--exclude-topic-types', multiple=True, metavar='TYPE...', help='Types to leave out.'
)
@click.option(
    '--exclude-services', multiple=True, metavar='NAME...', help='Services to leave out.'
)
@click.option('--include-unpublished-topics', is_flag=True, help='Topics nobody publishes, too.')
@click.option('--include-hidden-topics', is_flag=True, help='Hidden topics, too.')
@click.option('--ignore-leaf-topics', is_flag=True, help='No topics nobody subscribes to.')
@click.option('--no-discovery', is_flag=True, help='No topics that appear later than after 3 s.')
@click.option(
    '-p',
    '--polling-interval',
    type=click.IntRange(10, 60_000),
    metavar='MS',
    help='How often to look for new topics; 100 by default.',
)
@click.option('--qos-profile-overrides-path', default='', metavar='FILE', help='YAML of profiles.')
@click.option(
    '-b', '--max-bag-size', type=click.IntRange(0), metavar='BYTES', help='Split at this size.'
)
@click.option(
    '-d',
    '--max-bag-duration',
    type=click.FloatRange(0.0, 1e9),
    metavar='SECONDS',
    help='Split after this time.',
)
@click.option(
    '--max-files',
    type=click.IntRange(0),
    metavar='N',
    help='Keep the last N files of a split bag.',
)
@click.option(
    '--max-cache-size',
    type=click.IntRange(0),
    metavar='BYTES',
    help='What may wait for the disk; 256 MiB by default.',
)
@click.option(
    '--when-full',
    type=click.Choice(('block', 'drop_newest', 'drop_oldest')),
    help='What happens when that is full.',
)
@click.option('--snapshot-mode', is_flag=True, help='Write only what waits, at ~/snapshot.')
@click.option(
    '--snapshot-duration',
    type=click.FloatRange(0.0, 1e9),
    metavar='SECONDS',
    help='How much waits for a snapshot; --max-cache-size alone by default.',
)
@click.option('--start-paused', is_flag=True, help='Wait for the space key, or ~/resume.')
@click.option('--use-sim-time', is_flag=True, help='Log time is that of /clock.')
@click.option('--sample-every-n', type=click.IntRange(1), help='Every n-th message of a topic.')
@click.option('--max-rate', type=click.FloatRange(0.0, 1e9), help='Most messages/s of a topic.')
@click.option('--max-samples', type=click.IntRange(0), help='Most messages of a topic.')
@click.option('--depth', type=click.IntRange(1, 1_000_000), help='Messages DDS keeps per topic.')
@click.option(
    '--flush-period',
    type=click.FloatRange(0.001, 3600.0),
    metavar='SECONDS',
    help='What a crash can take at most; 1 by default.',
)
@click.option('--sync', is_flag=True, help='Have every flush on the disk, not in its cache.')
@click.option(
    '--storage-preset-profile',
    type=click.Choice(('none', 'fastwrite', 'zstd_fast', 'zstd_small')),
    help='How the bag is written.',
)
@click.option('--storage-config-file', default='', metavar='FILE', help='Options of the writer.')
@click.option(
    '--compression', type=click.Choice(('none', 'lz4', 'zstd')), help='Compress the chunks.'
)
@click.option(
    '--compression-mode',
    type=click.Choice(('none', 'file', 'message')),
    default='none',
    help='Not none: as --compression.',
)
@click.option(
    '--compression-format', type=click.Choice(('zstd', 'lz4')), help='With --compression-mode.'
)
@click.option(
    '--custom-data', multiple=True, metavar='NAME=VALUE...', help='Kept in the metadata.'
)
@click.option(
    '--as-recorded',
    is_flag=True,
    help='Keep stamps and order of lk play --as-recorded, which everything comes from.',
)
@click.option('--node-name', default='', help='Name of the node; recorder by default.')
@click.option('--disable-keyboard-controls', is_flag=True, help='Do not listen to keys.')
@click.option('--no-info', is_flag=True, help='Do not print at the end what is in the bag.')
@click.option(
    '--log-level',
    type=click.Choice(('debug', 'info', 'warn', 'error', 'fatal')),
    help='Logging level.',
)
@click.option('-s', '--storage', type=click.Choice(('mcap', 'sqlite3')), help='mcap.')
@click.option('-f', '--serialization-format', type=click.Choice(('', 'cdr')), help='cdr.')
@click.option('--compression-queue-size', type=int, help='Not needed.')
@click.option('--compression-threads', type=int, help='Not needed.')
@click.option('--compression-threads-priority', type=int, help='Not needed.')
@click.pass_context
def command(ctx: click.Context, /, named: tuple[str, ...], **options: Any) -> int:
    """Record topics into a bag until ctrl-C, and tell what is missing of them.

    The space key pauses. Options are those of `ros2 bag record` and more; what follows --ros-args
    goes to the node.
    """
    more = list(ctx.obj or [])
    if options['node_name']:
        more += ['-r', f'__node:={options["node_name"]}']
    if options['log_level']:
        more += ['--log-level', options['log_level']]
    parameters = parameters_of(named, options)
    warn(warnings_about(options))
    # What is not asked for is left to the node: the command line stays readable.
    said = {name: value for name, value in parameters.items() if not _is_empty(value)}
    return start_node('recorder', said, more)


def parameters_of(named: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Return the node's parameters for the command's options.

    Raises:
        click.UsageError: If options do not go together.
    """
    _refuse_contradictions(options)
    given = {name: options[name] for name in _SAME}
    given |= {name: options[option] for option, name in _NAMES.items()}
    # A flag that is not given is the default of the node.
    parameters: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else None if value is False else value
        for name, value in given.items()
    }
    parameters['topics'] += named
    if options['everything']:
        parameters['all_topics'] = parameters['all_services'] = True
    chosen = ('topics', 'topic_types', 'services', 'regex', 'all_topics', 'all_services')
    if not any(parameters[name] for name in chosen):
        raise click.UsageError(
            'nothing is chosen: give topics, --topic-types, --services, --regex, --all-topics, '
            '--all-services or --all'
        )
    if options['compression_mode'] != 'none':
        parameters['compression'] = options['compression_format'] or 'zstd'
    if options['polling_interval'] is not None:
        parameters['polling_period_s'] = options['polling_interval'] / 1000.0
    for option, name in (
        ('no_discovery', 'discovery'),
        ('disable_keyboard_controls', 'keyboard'),
        ('no_info', 'print_info'),
    ):
        if options[option]:
            parameters[name] = False
    return parameters | _snapshot(options)


def _refuse_contradictions(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise click.UsageError(f'--{name.replace("_", "-")} is {value}; give a number')
    if options['storage'] == 'sqlite3':
        raise click.UsageError('--storage sqlite3 is only read here; bags are written as mcap')
    if options['compression_format'] and options['compression_mode'] == 'none':
        raise click.UsageError('--compression-format needs a --compression-mode')
    if options['compression_mode'] != 'none' and options['compression']:
        raise click.UsageError('--compression and --compression-mode: one of them')
    if options['use_sim_time'] and options['no_discovery']:
        raise click.UsageError('--use-sim-time needs discovery: /clock has to be found first')


def _snapshot(options: dict[str, Any]) -> dict[str, Any]:
    """Return what makes a recorder wait for `~/snapshot`, and write nothing else."""
    if not options['snapshot_mode']:
        if options['snapshot_duration'] is not None:
            raise click.UsageError('--snapshot-duration needs --snapshot-mode')
        return {}
    parameters: dict[str, Any] = {'use_ring_buffer': True, 'auto_flush': False}
    if options['max_cache_size'] is not None:
        # As in rosbag2: what waits for the snapshot is the cache.
        parameters |= {'ring_buffer_bytes': options['max_cache_size'], 'cache_bytes': None}
    return parameters


def warnings_about(options: dict[str, Any]) -> list[str]:
    """Return what has no effect."""
    found = [
        f'no effect: {text}' for name, text in WITHOUT_EFFECT.items() if options[name] is not None
    ]
    if options['compression_mode'] != 'none':
        found.append(
            f'--compression-mode {options["compression_mode"]}: chunks are compressed instead, '
            'which every reader of MCAP takes'
        )
    topics = '--all' if options['everything'] else '--all-topics'
    services = '--all' if options['everything'] else '--all-services'
    if options['everything'] or options['all_topics']:
        found += [
            f'no effect: --{name.replace("_", "-")}, as {topics} takes every topic'
            for name in ('topics', 'topic_types')
            if options[name]
        ]
    if (options['everything'] or options['all_services']) and options['services']:
        found.append(f'no effect: --services, as {services} takes every service')
    return found


def _is_empty(value: Any) -> bool:
    return value is None or value in ('', [])
