"""The Python version and the machine that a package is built for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PYTHON: Final = "3.12"
"""The runtime of ``infra/s1-runtime.yaml``; AWS supports it until 31 October 2028."""

DEFAULT_PLATFORM: Final = "manylinux2014_x86_64"
"""glibc 2.17, which is older than that of every Lambda runtime, so its wheels run on all of them."""

_PYTHON = re.compile(r"3\.(\d{1,2})")
_OLDEST_MINOR: Final = 11  # requires-python of this distribution
_PLATFORM = re.compile(r"(?:manylinux|linux)\w*_(x86_64|aarch64)")
_ARCHITECTURES: Final = {"x86_64": "x86_64", "aarch64": "arm64"}  # in the tags of wheels: in Lambda


class PackagingError(Exception):
    """A package could not be built or read; the message is one line, with the remedy."""


@dataclass(frozen=True, slots=True)
class Target:
    """A Lambda runtime, described as pip selects wheels.

    Args:
        python: Version of the runtime, such as ``3.12``.
        platforms: Platform tags of acceptable wheels, all of one machine.

    Raises:
        PackagingError: No Lambda runtime matches.
    """

    python: str = DEFAULT_PYTHON
    platforms: tuple[str, ...] = (DEFAULT_PLATFORM,)
    _machine: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        version = _PYTHON.fullmatch(self.python)
        if version is None or int(version[1]) < _OLDEST_MINOR:
            raise PackagingError(
                f"--python: got {self.python!r}; accepted: 3.{_OLDEST_MINOR} and later, written like {DEFAULT_PYTHON}"
            )
        machines = {found[1] if (found := _PLATFORM.fullmatch(platform)) else None for platform in self.platforms}
        machine = next(iter(machines), None)
        if machine is None or len(machines) != 1:
            raise PackagingError(
                f"--platform: got {', '.join(self.platforms)!r}; accepted: Linux tags of one machine, "
                f"such as {DEFAULT_PLATFORM} or manylinux2014_aarch64"
            )
        object.__setattr__(self, "_machine", machine)

    @property
    def runtime(self) -> str:
        """The runtime by its name in Lambda."""
        return f"python{self.python}"

    @property
    def architecture(self) -> str:
        """The machine by its name in Lambda."""
        return _ARCHITECTURES[self._machine]

    def __str__(self) -> str:
        return f"Python {self.python} on {' or '.join(self.platforms)}"

    def marker_environment(self) -> Mapping[str, Any]:
        """Return the values of the target with which the markers of requirements are evaluated."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self._machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }
