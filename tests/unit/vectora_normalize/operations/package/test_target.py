"""The target of a package: which values are accepted, and its names in wheels and in Lambda."""

from __future__ import annotations

import pytest
from packaging.markers import Marker, default_environment

from vectora_normalize.operations.package.target import PackagingError, Target


def test_the_default_is_the_runtime_of_the_template() -> None:
    target = Target()
    assert (target.runtime, target.architecture) == ("python3.12", "x86_64")
    assert str(target) == "Python 3.12 on manylinux2014_x86_64"


def test_several_tags_of_one_machine_are_one_target() -> None:
    target = Target("3.13", ("manylinux2014_aarch64", "manylinux_2_28_aarch64"))
    assert (target.runtime, target.architecture) == ("python3.13", "arm64")
    assert str(target) == "Python 3.13 on manylinux2014_aarch64 or manylinux_2_28_aarch64"


@pytest.mark.parametrize("python", ["3.10", "3", "3.12.1", "2.7", "four", "3.012.0", ""])
def test_an_invalid_python_version_is_refused_with_what_is_accepted(python: str) -> None:
    with pytest.raises(PackagingError) as refused:
        Target(python)
    assert str(refused.value) == f"--python: got {python!r}; accepted: 3.11 and later, written like 3.12"


@pytest.mark.parametrize(
    "platforms",
    [
        (),
        ("win_amd64",),
        ("macosx_11_0_arm64",),
        ("manylinux2014_x86_64", "manylinux2014_aarch64"),
        ("manylinux2014_i686",),
    ],
)
def test_a_machine_that_lambda_does_not_have_is_refused(platforms: tuple[str, ...]) -> None:
    with pytest.raises(PackagingError, match=r"^--platform: got '.*'; accepted: Linux tags of one machine, such as"):
        Target(platforms=platforms)


def test_markers_are_evaluated_with_all_variables_of_the_target() -> None:
    environment = Target("3.14").marker_environment()
    assert environment.keys() == default_environment().keys()
    assert Marker("python_version >= '3.14' and sys_platform == 'linux'").evaluate(dict(environment))
    assert not Marker("os_name == 'nt' or python_full_version < '3.14'").evaluate(dict(environment))
