"""What an issue takes from a command line: the binary, the machine; and what it keeps to itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceview.report.issue_command import flavor, machine, without_secrets


@pytest.mark.parametrize(
    ("command", "binary", "architecture"),
    [
        ("qemu-system-x86_64 -M q35", "qemu-system-x86_64", "x86_64"),
        ("/usr/bin/qemu-system-aarch64 -m 4G", "qemu-system-aarch64", "aarch64"),
        ("LC_ALL=C PATH=/bin HOME=/root /usr/libexec/qemu-kvm -name guest=a", "qemu-kvm", ""),
        ("/usr/bin/kvm -S", "kvm", ""),
        ("qemu-img convert a b", "qemu-img", ""),
        ("virsh start vm", "", ""),
        ("'qemu-system-x86_64 -name it's", "", ""),
        ("", "", ""),
    ],
)
def test_the_binary_tells_the_flavor_and_often_the_machine(command: str, binary: str, architecture: str) -> None:
    assert (flavor(command), machine(command)) == (binary, architecture)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("-spice port=1,password=hunter2,x=y", "-spice port=1,password=***,x=y"),
        ("-vnc :1,password=on", "-vnc :1,password=on"),
        ("-object secret,id=s0,data=hunter2", "-object secret,id=s0,data=***"),
        ("-object secret,data=hunter2,id=s0", "-object secret,data=***,id=s0"),
        ('{"qom-type":"secret","id":"s","data":"hunter2"}', '{"qom-type":"secret","id":"s","data":"***"}'),
        ("-drive file=a.img,cache=none", "-drive file=a.img,cache=none"),
    ],
)  # fmt: skip
def test_passwords_and_the_data_of_secrets_are_not_told(command: str, shown: str) -> None:
    assert without_secrets(command) == shown


@given(st.text())
def test_any_text_is_taken(command: str) -> None:
    assert flavor(command) == "" or flavor(command) in command
    assert "hunter2" not in without_secrets(f"{command} -spice password=hunter2")
