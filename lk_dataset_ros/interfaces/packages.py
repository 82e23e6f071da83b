"""Interface packages for colcon, written from the definitions in a bag."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lk_dataset_ros.errors import MessageTypeError
from lk_dataset_ros.interfaces.description import type_hash
from lk_dataset_ros.interfaces.idl_text import idl_text
from lk_dataset_ros.interfaces.interface import Interface, closure
from lk_dataset_ros.interfaces.names import check_new_package, check_package, check_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MAX_PACKAGES: Final = 64
#: Files of one package: each takes seconds of compilation.
MAX_FILES: Final = 256
_SERVICE_PARTS: Final = ('_Request', '_Response')
_EVENT: Final = '_Event'

_PACKAGE_XML: Final = """<?xml version="1.0"?>
<package format="3">
  <name>{name}</name>
  <version>0.0.0</version>
  <description>Message types from a bag, written by lk types</description>
  <maintainer email="nobody@example.com">nobody</maintainer>
  <license>unknown</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
{depends}  <member_of_group>rosidl_interface_packages</member_of_group>
  <export>
    <build_type>ament_cmake</build_type>
  </export>
</package>
"""
_CMAKE: Final = """cmake_minimum_required(VERSION 3.16)
project({name})
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
{finds}rosidl_generate_interfaces(${{PROJECT_NAME}}
{files}{dependencies})
ament_export_dependencies(rosidl_default_runtime)
ament_package()
"""


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A package to be built.

    Attributes:
        name: Its name.
        files: Text of each file, by path within the package.
        types: Type hash of each type that it is built for.
        requires: Type hash of each type of other packages that it is made of.
        depends: Packages that it depends on directly.
        left_out: Constants and defaults of the definitions that it does not have.
    """

    name: str
    files: Mapping[str, str]
    types: Mapping[str, str]
    requires: Mapping[str, str]
    depends: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return what tells this content from any other."""
        content = json.dumps([self.name, dict(self.files), dict(self.requires)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def write(self, folder: Path) -> None:
        """Write the package into a folder, which is made."""
        for path, text in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding='ascii')


def package_sources(
    interfaces: Mapping[str, Interface], wanted: Iterable[str]
) -> list[PackageSource]:
    """Make packages of definitions.

    Args:
        interfaces: Definitions, with all that they are made of.
        wanted: The types to build, by full name.

    Returns:
        The packages, in the order in which they can be built.

    Raises:
        MessageTypeError: If a name is not one that rosidl takes, if a type is no message and no
            part of a service, or if packages depend on each other in a circle.
    """
    names = set(wanted)
    packages = {name.split('/')[0] for name in names}
    for name in tuple(names):
        parts = closure(name, interfaces)
        names |= {each for each in parts if each.split('/')[0] in packages}
    by_package: dict[str, list[str]] = {}
    for name in sorted(names):
        by_package.setdefault(name.split('/')[0], []).append(name)
    if len(by_package) > MAX_PACKAGES:
        raise MessageTypeError(
            f'{len(by_package)} packages would have to be built; up to {MAX_PACKAGES} are'
        )
    sources = {
        package: _source(package, names, interfaces) for package, names in by_package.items()
    }
    return _ordered(sources)


def _source(package: str, names: list[str], interfaces: Mapping[str, Interface]) -> PackageSource:
    check_new_package(package)
    files: dict[str, list[tuple[str, Interface]]] = {}
    for name in names:
        _, kind, own = name.split('/')
        if kind == 'msg':
            check_type(own)
            files[f'msg/{own}.idl'] = [(own, interfaces[name])]
        elif kind == 'srv':
            service = service_of(name)
            check_type(service.split('/')[2])
            files[f'{service.split("/", 1)[1]}.idl'] = _service_parts(service, interfaces)
        else:
            raise MessageTypeError(
                f'{name} is part of an action; only messages and services can be built'
            )
    if len(files) > MAX_FILES:
        raise MessageTypeError(f'{package} has {len(files)} types; up to {MAX_FILES} are built')
    _refuse_twins(package, files)
    left_out: list[str] = []
    texts: dict[str, str] = {}
    for path, parts in files.items():
        texts[path], more = idl_text(package, path.split('/')[0], parts)
        left_out += more
    every = [part for parts in files.values() for _, part in parts]
    nested = {member.base for part in every for member in part.members if member.is_nested}
    depends = tuple(sorted({each.split('/')[0] for each in nested} - {package}))
    reached = set().union(*(closure(part.name, interfaces) for part in every))
    for each in sorted(reached):
        _check_nested(each, package)
    texts |= _build_files(package, sorted(files), depends)
    return PackageSource(
        package,
        texts,
        {name: type_hash(name, interfaces) for name in names},
        {
            each: type_hash(each, interfaces)
            for each in sorted(reached)
            if each.split('/')[0] != package
        },
        depends,
        tuple(left_out),
    )


def service_of(name: str) -> str:
    """Return the type of a service whose part (`..._Event`, `..._Request`) is named."""
    for part in (_EVENT, *_SERVICE_PARTS):
        if name.endswith(part):
            return name.removesuffix(part)
    return name


def _service_parts(
    service: str, interfaces: Mapping[str, Interface]
) -> list[tuple[str, Interface]]:
    own = service.split('/')[2]
    parts = []
    for part in _SERVICE_PARTS:
        if f'{service}{part}' not in interfaces:
            raise MessageTypeError(f'{service} cannot be built: its {part[1:].lower()} is unknown')
        parts.append((f'{own}{part}', interfaces[f'{service}{part}']))
    return parts


def _check_nested(name: str, package: str) -> None:
    """Check a type that one of the package's is made of: its name becomes an include line."""
    of, kind, own = name.split('/')
    if of == package and kind == 'srv':
        return
    if kind != 'msg':
        raise MessageTypeError(f'{package} cannot be built: {name} in it is not a message')
    check_package(of)
    check_type(own)


def _refuse_twins(package: str, files: Mapping[str, object]) -> None:
    """Refuse types whose generated files would have one name (`AbC` and `Abc` may)."""
    seen: dict[str, str] = {}
    for path in files:
        other = seen.setdefault(path.replace('_', '').lower(), path)
        if other != path:
            raise MessageTypeError(
                f'{package} cannot be built: {other} and {path} differ in upper and lower case only'
            )


def _build_files(package: str, files: list[str], depends: tuple[str, ...]) -> dict[str, str]:
    dependencies = f'  DEPENDENCIES {" ".join(depends)}' if depends else ''
    return {
        'package.xml': _PACKAGE_XML.format(
            name=package,
            depends=''.join(f'  <depend>{each}</depend>\n' for each in depends),
        ),
        'CMakeLists.txt': _CMAKE.format(
            name=package,
            finds=''.join(f'find_package({each} REQUIRED)\n' for each in depends),
            files=''.join(f'  "{path}"\n' for path in files),
            dependencies=dependencies,
        ),
    }


def _ordered(sources: dict[str, PackageSource]) -> list[PackageSource]:
    ordered: list[PackageSource] = []
    waiting = dict(sources)
    while waiting:
        ready = [
            name for name, source in waiting.items() if not waiting.keys() & set(source.depends)
        ]
        if not ready:
            raise MessageTypeError(
                f'the packages {", ".join(sorted(waiting))} depend on each other in a circle'
            )
        ordered += [waiting.pop(name) for name in ready]
    return ordered
